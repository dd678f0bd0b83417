import type { Company } from "./company.ts";
import type { QueryScene, QuerySceneOptions } from "./queryScene.ts";
import type { Stage } from "./stage.ts";
import type { Scene, SceneOptions } from "./taskScene.ts";

/**
 * Somebody who does not play by the rules: the ordinary client with one thing changed.
 * @property name in kebab case
 * @property title what it does, in one line
 * @property options of the task that it takes part in, or of the model whose queries
 * @property play plays it to its end
 */
export type Adversary = { name: string; title: string } & (
  | { options?: SceneOptions; play(scene: Scene): Promise<Expected> }
  | { options?: QuerySceneOptions; playQueries(scene: QueryScene): Promise<Expected> }
);

/**
 * Where everybody must stand in the end.
 * @property head of a task: the model's `fullRoot`
 * @property ends of queries: how each ended
 * @property changes of everybody's money in token wei, by name; `escrow` is what is held for the task or the queries,
 * `burned` what is gone. Who is not named owns what it owned before
 */
export type Expected = { head?: string; ends?: string[]; changes: Record<string, bigint> };

/** What came of it, beside what had to. */
export type Played = { expected: Expected; actual: Expected };

/** Lets an adversary play on a task of its own, or among nodes of its own. */
export async function playAdversary(stage: Stage, adversary: Adversary): Promise<Played> {
  if ("play" in adversary) {
    const scene = await stage.openScene(adversary.options);
    return playIn(scene, adversary.play(scene), async () => ({ head: await scene.head() }));
  }
  const scene = await stage.openQueryScene(adversary.name, adversary.options);
  return playIn(scene, adversary.playQueries(scene), async () => ({ ends: await scene.ends() }));
}

async function playIn(
  scene: Company,
  playing: Promise<Expected>,
  outcome: () => Promise<Omit<Expected, "changes">>,
): Promise<Played> {
  try {
    const { head, ends, changes } = await playing;
    const notZero = Object.entries(changes).filter(([, change]) => change !== 0n);
    const expected = {
      ...(head === undefined ? {} : { head }),
      ...(ends === undefined ? {} : { ends }),
      changes: Object.fromEntries(notZero),
    };
    return { expected, actual: { ...(await outcome()), changes: await scene.changes() } };
  } finally {
    await scene.close();
  }
}
