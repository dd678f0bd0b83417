/** Name of a graph's input of tokens, int32 [batch, sequenceLength]; each tensor is an input by its own name. */
export const TOKENS_INPUT = "tokens";
/** Name of a graph's loss output: of each predicted token in the loss graph, their mean in the gradient graph. */
export const LOSS_OUTPUT = "loss";
/** Name of the gradient graph's output for a tensor. */
export const gradientOutput = (tensorName: string) => `${tensorName}.gradient`;

/**
 * Runs a task's computation: loss and gradient of one model. Parameters are the flat vector θ of P float32; tokens are
 * whole sequences of `sequenceLength` tokens, one after another, of which all but the first are predicted.
 */
export interface Engine {
  readonly sequenceLength: number;

  /**
   * Loss of each predicted token, in nats: sequences · (sequenceLength − 1) values.
   * @throws {GradworkError} `PARAMETERS_WRONG_LENGTH`, `PARTIAL_SEQUENCE`
   */
  tokenLosses(parameters: Float32Array, tokens: Uint32Array): Promise<Float32Array>;

  /**
   * Mean loss in nats over all predicted tokens; its gradient is written to `gradient`, P values.
   * @throws {GradworkError} `PARAMETERS_WRONG_LENGTH`, `PARTIAL_SEQUENCE`
   */
  gradient(parameters: Float32Array, tokens: Uint32Array, gradient: Float32Array): Promise<number>;

  /** Floating-point operations, 2·m·n·k over every matrix product, of one `tokenLosses` call. */
  lossFlops(sequences: number): number;

  /** Floating-point operations, 2·m·n·k over every matrix product, of one `gradient` call. */
  gradientFlops(sequences: number): number;

  /** Frees the engine's memory; it must not be used afterwards. */
  release(): Promise<void>;
}
