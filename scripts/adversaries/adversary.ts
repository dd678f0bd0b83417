import type { Scene, SceneOptions, Stage } from "./stage.ts";

/**
 * Somebody who does not play by the rules: the ordinary client with one thing changed.
 * @property name in kebab case
 * @property title what it does, in one line
 * @property options of the task it takes part in
 * @property play plays it to its end
 */
export type Adversary = {
  name: string;
  title: string;
  options?: SceneOptions;
  play(scene: Scene): Promise<Expected>;
};

/**
 * Where everybody must stand in the end.
 * @property head the model's `fullRoot`
 * @property changes of everybody's money in token wei, by name; `escrow` is the task's, `burned` what is gone. Who is not
 * named owns what it owned before
 */
export type Expected = { head: string; changes: Record<string, bigint> };

/** What came of it, beside what had to. */
export type Played = { expected: Expected; actual: Expected };

/** Lets an adversary play on a task of its own. */
export async function playAdversary(stage: Stage, { options, play }: Adversary): Promise<Played> {
  const scene = await stage.openScene(options);
  try {
    const { head, changes } = await play(scene);
    const isZero = ([, change]: [string, bigint]) => change === 0n;
    const expected = { head, changes: Object.fromEntries(Object.entries(changes).filter((c) => !isZero(c))) };
    return { expected, actual: { head: await scene.head(), changes: await scene.changes() } };
  } finally {
    await scene.close();
  }
}
