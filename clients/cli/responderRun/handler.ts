import type { Generator } from "../../inference/generator.ts";
import { openLocalModel } from "../../inference/localModel.ts";
import { queueGenerator } from "../../inference/queue.ts";
import { openServer } from "../../inference/server.ts";
import { runResponder } from "../../roles/responder.ts";
import { runNode } from "../runNode.ts";
import type { Session } from "../session.ts";
import type { Engine, ResponderRunOptions } from "./options.ts";

export async function handleResponderRun(options: ResponderRunOptions, session: Session): Promise<void> {
  await runNode("responder", options, session, async (actor) => {
    const generator = queueGenerator(await openEngine(options.engine), options.queue);
    try {
      await runResponder(actor, { ...options, generator });
    } finally {
      await generator.close();
    }
  });
}

function openEngine(engine: Engine): Promise<Generator> | Generator {
  if (engine.kind === "local") return openLocalModel({ model: engine.folder, dtype: engine.dtype });
  const { kind: _, ...server } = engine;
  return openServer(server);
}
