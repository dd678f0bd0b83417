// `npm run deploy`: deploys to a network of hardhat.config.ts, with the account that it names. `gradwork deploy` does
// the same with a URL and a key.
import { Command } from "commander";
import { network } from "hardhat";
import { addRandomnessOption, prepareRandomness } from "../clients/cli/deploy/options.ts";
import { errorLine } from "../clients/cli/errorLine.ts";
import { wholeNumber } from "../clients/cli/values.ts";
import { deployToFile, requireNewFile } from "../deploy/deployGradwork.ts";

const POLL_MS = 2_000;

const EXAMPLES = `
Example:
  npx hardhat keystore set SEPOLIA_RPC_URL
  npx hardhat keystore set SEPOLIA_PRIVATE_KEY
  npm run deploy -- --network sepolia --deployment sepolia.json
`;

const options = addRandomnessOption(new Command("npm run deploy --"))
  .description("Deploys the contracts to a network of hardhat.config.ts.")
  .requiredOption("--network <name>", "network of hardhat.config.ts")
  .option("--deployment <file>", "file to write the addresses to, which must not exist yet", "gradwork.json")
  .option("--depth <blocks>", "blocks on top of each transaction before the next", "2")
  .addHelpText("after", EXAMPLES)
  .parse()
  .opts<{ network: string; deployment: string; depth: string; randomness: string }>();

try {
  const { deployment: file, depth } = options;
  const confirmations = wholeNumber("--depth", depth, 0, 999);
  const randomness = prepareRandomness(options);
  requireNewFile(file);
  const connection = await network.create(options.network);
  console.log(`deploying to ${options.network}…`);
  const deployment = await deployToFile(connection.provider, file, {
    randomness,
    confirmations,
    pollMs: POLL_MS,
  });
  for (const [name, address] of Object.entries(deployment.contracts)) console.log(`  ${name} ${address}`);
  console.log(`addresses written to ${file}`);
  await connection.close();
} catch (error) {
  process.stderr.write(`error: ${errorLine(error)}\n`);
  process.exitCode = 1;
}
