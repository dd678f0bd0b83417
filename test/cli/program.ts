import { expect } from "chai";
import { type Command, CommanderError } from "commander";
import { createProgram } from "../../clients/cli/program.ts";
import { openTerminal } from "../../clients/cli/terminal.ts";
import packageJson from "../../package.json" with { type: "json" };

/** Runs a command line in this process; what it wrote, and how it ended. */
async function run(...args: string[]): Promise<{ written: string; exitCode: number }> {
  let written = "";
  const write = (text: string) => {
    written += text;
  };
  const terminal = openTerminal({ write });
  const { signal } = new AbortController();
  const program = createProgram({ env: {}, output: terminal, progress: terminal, stream: { write }, signal });
  for (const command of allCommands(program)) command.configureOutput({ writeOut: write, writeErr: write });
  try {
    await program.parseAsync(args, { from: "user" });
    return { written, exitCode: 0 };
  } catch (error) {
    if (error instanceof CommanderError) return { written, exitCode: error.exitCode };
    throw error;
  }
}

function allCommands(command: Command): Command[] {
  return [command, ...command.commands.flatMap((child) => allCommands(child as Command))];
}

const COMMANDS = [
  "deploy",
  "task create",
  "task fund",
  "task show",
  "task close",
  "stake deposit",
  "stake withdraw",
  "miner run",
  "verifier run",
  "verifier leave",
  "watch run",
  "keeper run",
  "task export",
  "model register",
  "responder run",
  "assessor run",
  "node leave",
  "ask",
  "answers",
  "status",
];

describe("the gradwork program", () => {
  it("knows its version", async () => {
    expect(await run("--version")).to.deep.equal({ written: `${packageJson.version}\n`, exitCode: 0 });
  });

  for (const command of COMMANDS) {
    it(`explains ${command}, with examples`, async () => {
      const { written, exitCode } = await run(...command.split(" "), "--help");
      expect(exitCode).to.equal(0);
      expect(written).to.match(new RegExp(`^Usage: gradwork ${command} `));
      expect(written).to.match(new RegExp(`Examples:\n.*gradwork ${command}`));
      expect(written).to.include("--rpc <url>").and.include("--deployment <file>");
    });
  }

  it("answers wrong usage with 1, what is wrong and where help is", async () => {
    const wrong: [string[], string][] = [
      [["mine"], "unknown command 'mine'"],
      [["deploy", "--fast"], "unknown option '--fast'"],
      [["stake", "deposit"], "required option '--amount <tokens>' not specified"],
      [["task", "fund", "--amount", "1"], "missing required argument 'task'"],
      [["keeper", "run"], "required option '--task <n>' not specified"],
      [["status", "a", "b"], "too many arguments"],
    ];
    for (const [args, message] of wrong) {
      const { written, exitCode } = await run(...args);
      expect(written)
        .to.match(/^error: /)
        .and.include(message)
        .and.include("--help");
      expect(exitCode).to.equal(1);
    }
  });

  it("does not repeat a key that is given in the wrong place", async () => {
    const key = "ab".repeat(32);
    const { written, exitCode } = await run("deploy", `--private-key=0x${key}`);
    expect(written).to.include("unknown option").and.not.include("abab");
    expect(exitCode).to.equal(1);
  });
});
