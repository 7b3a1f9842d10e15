/**
 * Turns the sources of the exception table into generators that stop before every access to shared memory.
 *
 *   Atomics.load(words, at)      ──▶   (yield, Atomics.load(words, at))
 *   findEntry(words, leaf, n)    ──▶   (yield* findEntry(words, leaf, n))
 *   lookup(chunk, limit) { … }   ──▶   *lookup(chunk, limit) { … }
 *
 * So one thread runs the product's own reader and writer in any interleaving of their loads and stores (table-life.ts). Only the
 * functions named here are changed; all of their callers are among them, or are the life itself. Used by typescript-hooks.mjs.
 */
import ts from "typescript";

/** Files whose functions become generators. */
export const STEPPED_FILE =
  /\/src\/table\/(table-reader|leaf-search|table-writer|leaf-heap|group-image|bulk-load)\.ts$/;

const READER = [
  "lookup",
  "allSettled",
  "settledRun",
  "#lookupOnce",
  "#settledRunOnce",
  "#mappedRun",
  "#unmappedRun",
  "#leafOf",
];
const SEARCH = ["findEntry", "upperBound", "nextMapped"];
const WRITER = ["stateOf", "newChunkOf", "publish", "settle", "remove", "makeRoomFor", "loadSettled", "bulkLoad"];
const WRITER_INSIDE = ["#find", "#foldIfWorth", "#rebuild", "#verifyLeaf", "#replace", "put", "putFirst", "#putDirect"];
const HEAP = [
  "allocate",
  "retire",
  "releaseQuarantine",
  "#takeFree",
  "#free",
  "#putFree",
  "#unlink",
  "reserve",
  "#reserve",
];
const STEPPED = new Set([...READER, ...SEARCH, ...WRITER, ...WRITER_INSIDE, ...HEAP]);

/** A transformer for ts.transpileModule. */
export function stepping(context) {
  const { factory } = context;
  const asterisk = factory.createToken(ts.SyntaxKind.AsteriskToken);

  const inside = (node) => {
    if (ts.isArrowFunction(node) || ts.isFunctionExpression(node)) return node;
    const visited = ts.visitEachChild(node, inside, context);
    if (!ts.isCallExpression(visited)) return visited;
    const { expression } = visited;
    const name = nameOf(expression);
    if (isShared(expression, name)) {
      return factory.createParenthesizedExpression(factory.createComma(factory.createYieldExpression(), visited));
    }
    if (name === undefined || !STEPPED.has(name)) return visited;
    return factory.createParenthesizedExpression(factory.createYieldExpression(asterisk, visited));
  };

  const outside = (node) => {
    if (!node.name || !STEPPED.has(node.name.text)) return ts.visitEachChild(node, outside, context);
    const body = ts.visitEachChild(node.body, inside, context);
    const { modifiers, name, typeParameters, parameters, type } = node;
    if (ts.isFunctionDeclaration(node)) {
      return factory.updateFunctionDeclaration(node, modifiers, asterisk, name, typeParameters, parameters, type, body);
    }
    if (!ts.isMethodDeclaration(node)) return node;
    const { questionToken } = node;
    return factory.updateMethodDeclaration(
      node,
      modifiers,
      asterisk,
      name,
      questionToken,
      typeParameters,
      parameters,
      type,
      body,
    );
  };
  return (file) => ts.visitEachChild(file, outside, context);
}

function nameOf(expression) {
  if (ts.isIdentifier(expression)) return expression.text;
  return ts.isPropertyAccessExpression(expression) ? expression.name.text : undefined;
}

/** An access to shared memory, or its growth. */
function isShared(expression, name) {
  if (name === "growSharedMemory") return true;
  if (!ts.isPropertyAccessExpression(expression)) return false;
  return ts.isIdentifier(expression.expression) && expression.expression.text === "Atomics";
}
