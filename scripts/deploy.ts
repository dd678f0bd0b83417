// `npm run deploy`: deploys to a network of hardhat.config.ts, with the account that it names. `gradwork deploy` does
// the same with a URL and a key.
import { existsSync } from "node:fs";
import { Command } from "commander";
import { network } from "hardhat";
import { writeDeployment } from "../clients/chain/deployment.ts";
import { errorLine } from "../clients/cli/errorLine.ts";
import { GradworkError } from "../clients/model/errors.ts";
import { deployGradwork } from "../deploy/deployGradwork.ts";

const POLL_MS = 2_000;

const EXAMPLES = `
Example:
  npx hardhat keystore set SEPOLIA_RPC_URL
  npx hardhat keystore set SEPOLIA_PRIVATE_KEY
  npm run deploy -- --network sepolia --deployment sepolia.json
`;

const options = new Command("npm run deploy --")
  .description("Deploys the contracts to a network of hardhat.config.ts.")
  .requiredOption("--network <name>", "network of hardhat.config.ts")
  .option("--deployment <file>", "file to write the addresses to, which must not exist yet", "gradwork.json")
  .option("--depth <blocks>", "blocks on top of each transaction before the next", "2")
  .addHelpText("after", EXAMPLES)
  .parse()
  .opts<{ network: string; deployment: string; depth: string }>();

try {
  const { deployment: file, depth } = options;
  if (existsSync(file)) {
    throw new GradworkError("DEPLOYMENT_EXISTS", `${file} holds a deployment already: name another file`, {
      file,
    });
  }
  if (!/^\d{1,3}$/.test(depth)) {
    throw new GradworkError("INVALID_OPTION", `--depth takes a whole number below 1000, got ${depth}`, {
      depth,
    });
  }
  const connection = await network.create(options.network);
  console.log(`deploying to ${options.network}…`);
  const deployment = await deployGradwork(connection.provider, {
    journal: `${file}.journal`,
    confirmations: Number(depth),
    pollMs: POLL_MS,
  });
  writeDeployment(file, deployment);
  for (const [name, address] of Object.entries(deployment.contracts)) console.log(`  ${name} ${address}`);
  console.log(`addresses written to ${file}`);
  await connection.close();
} catch (error) {
  process.stderr.write(`error: ${errorLine(error)}\n`);
  process.exitCode = 1;
}
