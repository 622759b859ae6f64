// Runs a Python file under Pyodide in node: node run.mjs FOLDER SOURCES FILE prints what it prints.
// FOLDER has Pyodide, numpy's wheel and others; SOURCES is a checkout, which Python sees as it is.

import { readFileSync } from "node:fs";
import { join } from "node:path";
import { pathToFileURL } from "node:url";

const [folder, sources, file] = process.argv.slice(2);
const { loadPyodide } = await import(pathToFileURL(join(folder, "pyodide.mjs")).href);
const python = await loadPyodide({ indexURL: folder });
await python.loadPackage("numpy", { messageCallback: () => {} });
for (const [place, root] of [["/sources", sources], ["/folder", folder]]) {
  python.FS.mkdir(place);
  python.FS.mount(python.FS.filesystems.NODEFS, { root }, place);
}
python.runPython(`
import glob, sys, zipfile
for wheel in glob.glob("/folder/tqdm-*.whl"):
    zipfile.ZipFile(wheel).extractall("/wheels")
sys.path += ["/sources", "/wheels"]
`);
python.runPython(readFileSync(file, "utf8"));
