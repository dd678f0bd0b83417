import type { Generator } from "../../inference/generator.ts";
import { openLocalModel } from "../../inference/localModel.ts";
import { queueGenerator } from "../../inference/queue.ts";
import { openServer } from "../../inference/server.ts";
import { runResponder } from "../../roles/responder.ts";
import { runRole } from "../runRole.ts";
import type { Session } from "../session.ts";
import { weightsSource } from "../weights.ts";
import type { Engine, ResponderRunOptions } from "./options.ts";

export async function handleResponderRun(options: ResponderRunOptions, session: Session): Promise<void> {
  const { model, directory } = options;
  await runRole({ role: "responder", model }, options, session, async (actor) => {
    const generator = queueGenerator(await openEngine(options.engine, directory), options.queue);
    try {
      await runResponder(actor, { ...options, generator });
    } finally {
      await generator.close();
    }
  });
}

function openEngine(engine: Engine, directory: string): Promise<Generator> | Generator {
  if (engine.kind === "local") {
    return openLocalModel({ ...weightsSource(engine.weights, directory), dtype: engine.dtype });
  }
  const { kind: _, ...server } = engine;
  return openServer(server);
}
