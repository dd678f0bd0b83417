import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect } from "chai";
import { dataSlice, getAddress, id } from "ethers";
import { CONTRACT_NAMES } from "../../clients/chain/artifacts.ts";
import { type Deployment, readDeployment, writeDeployment } from "../../clients/chain/deployment.ts";
import { expectCode } from "../contracts/support/expectCode.ts";

const DEPLOYMENT: Deployment = {
  chainId: 31_337,
  block: 12,
  randomness: "drand",
  contracts: Object.fromEntries(
    CONTRACT_NAMES.map((name) => [name, getAddress(dataSlice(id(name), 0, 20))]),
  ) as Deployment["contracts"],
};

describe("a deployment file", () => {
  let folder: string;
  let file: string;

  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), "gradwork-deployment-"));
    file = join(folder, "deployment.json");
  });

  afterEach(() => {
    rmSync(folder, { recursive: true });
  });

  const readError = (code: string) => expectCode((async () => readDeployment(file))(), code);

  it("is read as it was written", () => {
    writeDeployment(file, DEPLOYMENT);
    expect(readDeployment(file)).to.deep.equal(DEPLOYMENT);
    expect(JSON.parse(readFileSync(file, "utf8"))).to.deep.equal(DEPLOYMENT);
  });

  it("may hold addresses without their checksums", () => {
    writeFileSync(
      file,
      JSON.stringify(DEPLOYMENT)
        .toLowerCase()
        .replace(/chainid/, "chainId"),
    );
    const lower = JSON.stringify(DEPLOYMENT, (_, value) =>
      typeof value === "string" ? value.toLowerCase() : value,
    );
    writeFileSync(file, lower);
    expect(readDeployment(file)).to.deep.equal(DEPLOYMENT);
  });

  it("that is not there is said to be so, and what writes one", async () => {
    const error = await readError("DEPLOYMENT_UNREADABLE");
    expect(error.message).to.include(file).and.to.include("gradwork deploy");
    expect(error.data).to.deep.equal({ file });
  });

  const withAddress = (name: string, address: unknown) => ({
    ...DEPLOYMENT,
    contracts: { ...DEPLOYMENT.contracts, [name]: address },
  });
  const broken: [what: string, given: string, text: string][] = [
    ["is not JSON", "{", "{"],
    ["has no whole number `chainId`", "null", "null"],
    ["has no whole number `chainId`", "text", JSON.stringify({ ...DEPLOYMENT, chainId: "31337" })],
    ["has no whole number `block`", "a fraction", JSON.stringify({ ...DEPLOYMENT, block: 1.5 })],
    [
      "has no `randomness` that is block-hash or drand",
      "neither",
      JSON.stringify({ ...DEPLOYMENT, randomness: "toString" }),
    ],
    [
      "has no address of TestToken in `contracts`",
      "no contracts",
      JSON.stringify({ ...DEPLOYMENT, contracts: undefined }),
    ],
    ...CONTRACT_NAMES.flatMap((name) => {
      const wrongChecksum = DEPLOYMENT.contracts[name].replace(/[a-f]/, (letter) => letter.toUpperCase());
      const given: [string, unknown][] = [
        ["nothing", undefined],
        ["a number", 7],
        ["too few bytes", "0x12"],
        ["a wrong checksum", wrongChecksum],
      ];
      return given.map(([title, address]): [string, string, string] => [
        `has no address of ${name} in \`contracts\``,
        title,
        JSON.stringify(withAddress(name, address)),
      ]);
    }),
  ];
  for (const [what, given, text] of broken) {
    it(`that ${what} is refused: ${given}`, async () => {
      writeFileSync(file, text);
      const error = await readError("DEPLOYMENT_INVALID");
      expect(error.message).to.equal(`the deployment file ${file} ${what}`);
      expect(error.data).to.deep.equal({ file });
    });
  }
});
