import { Command } from "commander";
import packageJson from "../../package.json" with { type: "json" };
import { defineAnswers, prepareAnswers } from "./answers/options.ts";
import { defineAsk, prepareAsk } from "./ask/options.ts";
import { defineAssessorRun, prepareAssessorRun } from "./assessorRun/options.ts";
import { defineDeploy, prepareDeploy } from "./deploy/options.ts";
import { hideKeys } from "./errorLine.ts";
import { defineKeeperRun, prepareKeeperRun } from "./keeperRun/options.ts";
import { defineMinerRun, prepareMinerRun } from "./minerRun/options.ts";
import { defineModelRegister, prepareModelRegister } from "./modelRegister/options.ts";
import { defineNodeLeave, prepareNodeLeave } from "./nodeLeave/options.ts";
import { defineResponderRun, prepareResponderRun } from "./responderRun/options.ts";
import type { Session } from "./session.ts";
import { defineStakeDeposit, prepareStakeDeposit } from "./stakeDeposit/options.ts";
import { defineStakeWithdraw, prepareStakeWithdraw } from "./stakeWithdraw/options.ts";
import { defineStatus, prepareStatus } from "./status/options.ts";
import { defineTaskClose, prepareTaskClose } from "./taskClose/options.ts";
import { defineTaskCreate, prepareTaskCreate } from "./taskCreate/options.ts";
import { defineTaskExport, prepareTaskExport } from "./taskExport/options.ts";
import { defineTaskFund, prepareTaskFund } from "./taskFund/options.ts";
import { defineTaskShow, prepareTaskShow } from "./taskShow/options.ts";
import { defineVerifierLeave, prepareVerifierLeave } from "./verifierLeave/options.ts";
import { defineVerifierRun, prepareVerifierRun } from "./verifierRun/options.ts";
import { defineWatchRun, prepareWatchRun } from "./watchRun/options.ts";

const HELP = `
Amounts are in tokens. Ctrl-C stops any command: those that run a party end with 0, others with 130.
GRADWORK_DEBUG=1 adds a stack trace to an error.

Some terminals and a chain:
  gradwork deploy
  gradwork task create --blobs blobs
  gradwork task fund 0 --amount 1300 --faucet
  gradwork stake deposit --amount 2000 --faucet
  gradwork miner run --task 0 --state miner --blobs blobs
  gradwork verifier run --task 0 --state verifier
  gradwork watch run --task 0 --state watch
  gradwork keeper run --task 0
  gradwork model register --name llama
  gradwork responder run --model 0 --state responder
  gradwork assessor run --model 0 --state assessor
  gradwork ask "Call me Ishmael." --model 0 --fee 10 --faucet
`;

/** The command line. Each command's options are read at once, its handler when it runs. */
export function createProgram(session: Session): Command {
  const { env } = session;
  const program = new Command("gradwork")
    .description(packageJson.description)
    .version(packageJson.version)
    .exitOverride()
    .configureOutput({ outputError: (text, write) => write(hideKeys(text)) })
    .showHelpAfterError("(--help shows what it takes)")
    .addHelpText("after", HELP);

  defineDeploy(program).action(async (raw) => {
    const { handleDeploy } = await import("./deploy/handler.ts");
    await handleDeploy(prepareDeploy(raw, env), session);
  });

  const task = program.command("task").description("what is trained, and what is paid for it");
  defineTaskCreate(task).action(async (raw) => {
    const { handleTaskCreate } = await import("./taskCreate/handler.ts");
    await handleTaskCreate(prepareTaskCreate(raw, env), session);
  });
  defineTaskFund(task).action(async (id, raw) => {
    const { handleTaskFund } = await import("./taskFund/handler.ts");
    await handleTaskFund(prepareTaskFund(id, raw, env), session);
  });
  defineTaskShow(task).action(async (id, raw) => {
    const { handleTaskShow } = await import("./taskShow/handler.ts");
    await handleTaskShow(prepareTaskShow(id, raw), session);
  });
  defineTaskExport(task).action(async (id, raw) => {
    const { handleTaskExport } = await import("./taskExport/handler.ts");
    await handleTaskExport(prepareTaskExport(id, raw), session);
  });
  defineTaskClose(task).action(async (id, raw) => {
    const { handleTaskClose } = await import("./taskClose/handler.ts");
    await handleTaskClose(prepareTaskClose(id, raw, env), session);
  });

  const stake = program.command("stake").description("tokens that answer for a party's work");
  defineStakeDeposit(stake).action(async (raw) => {
    const { handleStakeDeposit } = await import("./stakeDeposit/handler.ts");
    await handleStakeDeposit(prepareStakeDeposit(raw, env), session);
  });
  defineStakeWithdraw(stake).action(async (raw) => {
    const { handleStakeWithdraw } = await import("./stakeWithdraw/handler.ts");
    await handleStakeWithdraw(prepareStakeWithdraw(raw, env), session);
  });

  defineMinerRun(program.command("miner").description("train for rewards")).action(async (raw) => {
    const { handleMinerRun } = await import("./minerRun/handler.ts");
    await handleMinerRun(prepareMinerRun(raw, env), session);
  });
  const verifier = program.command("verifier").description("check for rewards");
  defineVerifierRun(verifier).action(async (raw) => {
    const { handleVerifierRun } = await import("./verifierRun/handler.ts");
    await handleVerifierRun(prepareVerifierRun(raw, env), session);
  });
  defineVerifierLeave(verifier).action(async (raw) => {
    const { handleVerifierLeave } = await import("./verifierLeave/handler.ts");
    await handleVerifierLeave(prepareVerifierLeave(raw, env), session);
  });
  defineWatchRun(program.command("watch").description("check without stake")).action(async (raw) => {
    const { handleWatchRun } = await import("./watchRun/handler.ts");
    await handleWatchRun(prepareWatchRun(raw, env), session);
  });
  defineKeeperRun(program.command("keeper").description("keep rounds going")).action(async (raw) => {
    const { handleKeeperRun } = await import("./keeperRun/handler.ts");
    await handleKeeperRun(prepareKeeperRun(raw, env), session);
  });

  defineModelRegister(program.command("model").description("what is served, and how it is judged")).action(
    async (raw) => {
      const { handleModelRegister } = await import("./modelRegister/handler.ts");
      await handleModelRegister(prepareModelRegister(raw, env), session);
    },
  );
  defineResponderRun(program.command("responder").description("answer for pay")).action(async (raw) => {
    const { handleResponderRun } = await import("./responderRun/handler.ts");
    await handleResponderRun(prepareResponderRun(raw, env), session);
  });
  defineAssessorRun(program.command("assessor").description("score answers for pay")).action(async (raw) => {
    const { handleAssessorRun } = await import("./assessorRun/handler.ts");
    await handleAssessorRun(prepareAssessorRun(raw, env), session);
  });
  defineNodeLeave(program.command("node").description("nodes of a model")).action(async (raw) => {
    const { handleNodeLeave } = await import("./nodeLeave/handler.ts");
    await handleNodeLeave(prepareNodeLeave(raw, env), session);
  });
  defineAsk(program).action(async (prompt, raw) => {
    const { handleAsk } = await import("./ask/handler.ts");
    await handleAsk(prepareAsk(prompt, raw, env), session);
  });
  defineAnswers(program).action(async (query, raw) => {
    const { handleAnswers } = await import("./answers/handler.ts");
    await handleAnswers(prepareAnswers(query, raw, env), session);
  });

  defineStatus(program).action(async (account, raw) => {
    const { handleStatus } = await import("./status/handler.ts");
    await handleStatus(prepareStatus(account, raw, env), session);
  });
  return program;
}
