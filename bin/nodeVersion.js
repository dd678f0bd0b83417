// Parsed by old versions of Node too: no syntax newer than ES2020 in this folder.

/**
 * Whether a version of Node runs TypeScript as it is (type stripping without a flag) and has node:sqlite.
 * @param {string} version as `process.version` gives it: `v24.1.0`
 * @returns {boolean}
 */
export function checkNode(version) {
  const [major, minor] = version.replace(/^v/, "").split(".").map(Number);
  return major >= 24 || (major === 23 && minor >= 6) || (major === 22 && minor >= 18);
}

/**
 * Ends the process where Node is too old, with the command that works.
 * @param {string} command what to run under a newer Node
 */
export function requireNode(command) {
  if (checkNode(process.version)) return;
  process.stderr.write(
    `gradwork needs Node 22.18 or newer; this is ${process.version}. This command brings Node 24 with it:\n\n` +
      `    npx -y -p node@24 ${command}\n\n`,
  );
  process.exit(1);
}

/**
 * Arguments as a shell takes them.
 * @param {string[]} args
 * @returns {string} empty, or with a leading blank
 */
export function shellWords(args) {
  return args
    .map((arg) => (/^[\w@%+=:,./-]+$/.test(arg) ? ` ${arg}` : ` '${arg.replace(/'/g, "'\\''")}'`))
    .join("");
}
