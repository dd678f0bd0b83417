// Node 22 warns that node:sqlite is experimental: nothing that a user could act on. Other warnings stay.
const { emitWarning } = process;

process.emitWarning = (warning, ...rest) => {
  if (!String(warning).startsWith("SQLite is an experimental feature")) emitWarning(warning, ...rest);
};
