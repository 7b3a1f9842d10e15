/**
 * What tsc finds in the files of a program under `strict`, and in the declarations of a package that they use. Other libraries' own
 * declarations are read, not checked, and parsed once for all programs: they are what takes the time.
 */
import { join } from "node:path";
import ts from "typescript";

const RESOLUTIONS = {
  node16: { module: ts.ModuleKind.Node16, moduleResolution: ts.ModuleResolutionKind.Node16 },
  nodenext: { module: ts.ModuleKind.NodeNext, moduleResolution: ts.ModuleResolutionKind.NodeNext },
  bundler: { module: ts.ModuleKind.Preserve, moduleResolution: ts.ModuleResolutionKind.Bundler },
} as const;

const libraries = new Map<string, ts.SourceFile | undefined>();

/** `folder` holds the files and node_modules/; one line for each error. */
export function typeErrors(folder: string, files: readonly string[], resolution: keyof typeof RESOLUTIONS): string[] {
  const options: ts.CompilerOptions = {
    ...RESOLUTIONS[resolution],
    strict: true,
    target: ts.ScriptTarget.ES2022,
    lib: ["lib.es2022.d.ts", "lib.esnext.disposable.d.ts"],
    types: ["node"],
    typeRoots: [join(folder, "node_modules/@types")],
    noEmit: true,
  };
  const host = ts.createCompilerHost(options);
  const read = host.getSourceFile;
  host.getCurrentDirectory = () => folder;
  host.getSourceFile = (path, ...rest) => {
    if (!/\/(typescript\/lib|@types)\//.test(path)) return read(path, ...rest);
    if (!libraries.has(path)) libraries.set(path, read(path, ...rest));
    return libraries.get(path);
  };
  const rootNames = files.map((file) => join(folder, file));
  const program = ts.createProgram({ rootNames, options, host });
  const own = program.getSourceFiles().filter(({ fileName }) => !/\/(typescript\/lib|@types)\//.test(fileName));
  const found = own.flatMap((file) => [
    ...program.getSyntacticDiagnostics(file),
    ...program.getSemanticDiagnostics(file),
  ]);
  return [...program.getOptionsDiagnostics(), ...found].map(
    ({ file, messageText }) => `${file?.fileName ?? "options"}: ${ts.flattenDiagnosticMessageText(messageText, " ")}`,
  );
}
