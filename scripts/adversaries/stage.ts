import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { bindContracts, walletFromKey } from "../../clients/chain/connection.ts";
import type { TaskOptions } from "../../clients/roles/createTask.ts";
import { deployGradwork, walletProvider } from "../../deploy/deployGradwork.ts";
import { type Company, connectAs, type Ground, type Show } from "./company.ts";
import { startConductedChain } from "./conductedChain.ts";
import {
  openEngines,
  openQueryScene,
  type QueryEngines,
  type QueryScene,
  type QuerySceneOptions,
} from "./queryScene.ts";
import { openTaskScene, prepareFiles, type Scene, type SceneOptions, type TaskFiles } from "./taskScene.ts";

/** A chain whose clock waits for everybody, with the contracts, and all that scenes have in common. */
export type Stage = {
  /** Opens a task of its own, with an owner of its own. */
  openScene(options?: SceneOptions): Promise<Scene>;
  /**
   * Opens a model of its own, for nodes of its own, and an asker.
   * @param name from which everybody's keys follow: another for each
   */
  openQueryScene(name: string, options?: QuerySceneOptions): Promise<QueryScene>;
  close(): Promise<void>;
};

const NOBODY: Show = { say() {}, show() {} };

/**
 * @param task that scenes are of
 * @param signal ends what waits for something
 */
export async function openStage(
  task: Omit<TaskOptions, "location">,
  show: Show = NOBODY,
  signal?: AbortSignal,
): Promise<Stage> {
  const chain = await startConductedChain();
  const directory = mkdtempSync(join(tmpdir(), "gradwork-stage-"));
  const scenes: Company[] = [];
  const funder = await connectAs(chain, "funder", walletFromKey(chain.funderKey, "the funder"));
  const deployment = await deployGradwork(walletProvider(funder), {
    confirmations: 1,
    pollMs: funder.pollMs,
  });
  const ground: Ground = {
    chain,
    gradwork: await bindContracts(funder, deployment),
    directory,
    show,
    signal,
  };
  let files: Promise<TaskFiles> | undefined;
  let engines: Promise<QueryEngines> | undefined;

  return {
    async openScene(options) {
      files ??= prepareFiles(join(directory, "task"), task);
      const scene = await openTaskScene(ground, `${scenes.length}`, await files, options);
      scenes.push(scene);
      return scene;
    },
    async openQueryScene(name, options) {
      engines ??= openEngines();
      const scene = await openQueryScene(ground, name, await engines, options);
      scenes.push(scene);
      return scene;
    },
    async close() {
      for (const scene of scenes) await scene.close();
      await (await engines)?.close();
      await chain.close();
      rmSync(directory, { recursive: true, force: true });
    },
  };
}
