/** All bytes of a body; undefined where it has more than the limit, and then it is broken off. */
export async function readWhole(
  body: AsyncIterable<Uint8Array>,
  limit: number,
): Promise<Uint8Array | undefined> {
  const chunks: Uint8Array[] = [];
  let byteLength = 0;
  for await (const chunk of body) {
    byteLength += chunk.length;
    if (byteLength > limit) return undefined;
    chunks.push(chunk);
  }
  return Buffer.concat(chunks);
}
