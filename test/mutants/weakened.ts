/**
 * Which mutants only weaken an assert: it stays quiet where it would have failed, and that is all.
 *
 *   assert(a && b)   →  true, a, b, a || b          assert(a < b)      →  a <= b          assert(!(a && b))  →  !a, true
 *   if (VERIFY) assert(…)    →  never looked at     verify() { asserts only }   →  {}
 *
 * In a right program an assert never fails, so such a mutant changes nothing that anybody could see, and says nothing about the tests: the score
 * leaves it out, found or not. What makes an assert stricter or turns it round stays a mutant as any other: it fails where the program is right, so
 * tests find it, if they bring the program to the edge of what is allowed. The same goes for what would take an effect away
 * with the assert, and for what the rule does not understand.
 */
import ts from "typescript";

/** A place as Stryker counts: lines and columns from 1 on. */
interface Place {
  readonly line: number;
  readonly column: number;
}

/** Calls that only ask: what has others inside may do more than that. */
const ASKS = /^#?(is[A-Z]|has|includes$|load$|overlap$|subarray$|trackableChunks$|\w+Of$)/;

const CHECKS = /^#?(assert|verify)/;
const STEPS: ReadonlySet<ts.SyntaxKind> = new Set([ts.SyntaxKind.PlusPlusToken, ts.SyntaxKind.MinusMinusToken]);

/** What an operator becomes when it lets more through. */
const WEAKER: ReadonlyMap<ts.SyntaxKind, ts.SyntaxKind> = new Map([
  [ts.SyntaxKind.LessThanToken, ts.SyntaxKind.LessThanEqualsToken],
  [ts.SyntaxKind.GreaterThanToken, ts.SyntaxKind.GreaterThanEqualsToken],
  [ts.SyntaxKind.AmpersandAmpersandToken, ts.SyntaxKind.BarBarToken],
]);

type Direction = "weaker" | "stricter";

/** The rule, for the mutants of one file. */
export class Weakened {
  readonly #file: ts.SourceFile;

  constructor(source: string) {
    this.#file = ts.createSourceFile("mutated.ts", source, ts.ScriptTarget.Latest, true);
  }

  has(start: Place, end: Place, replacement: string): boolean {
    const from = this.#file.getPositionOfLineAndCharacter(start.line - 1, start.column - 1);
    const to = this.#file.getPositionOfLineAndCharacter(end.line - 1, end.column - 1);
    const node = this.#nodeAt(this.#file, from, to);
    if (node === undefined) return false;
    if (ts.isBlock(node)) return replacement.trim() === "{}" && checksOnly(node);
    const direction = directionOf(node, replacement);
    return direction !== undefined && !hasEffect(node) && this.#weakensAround(node, direction);
  }

  /** The outermost node of exactly this text. */
  #nodeAt(node: ts.Node, from: number, to: number): ts.Node | undefined {
    if (node.getStart(this.#file) === from && node.end === to) return node;
    return ts.forEachChild(node, (child) =>
      child.pos <= from && child.end >= to ? this.#nodeAt(child, from, to) : undefined,
    );
  }

  /** Up to the assert, or to the condition under which there is one. */
  #weakensAround(from: ts.Node, direction: Direction): boolean {
    let now = direction;
    for (let node = from; ; node = node.parent) {
      const around = node.parent;
      if (ts.isPrefixUnaryExpression(around) && around.operator === ts.SyntaxKind.ExclamationToken) {
        now = now === "weaker" ? "stricter" : "weaker";
      } else if (isAssert(around)) {
        return node === around.arguments[0] && now === "weaker";
      } else if (ts.isIfStatement(around) || ts.isForStatement(around)) {
        const guards = node === (ts.isIfStatement(around) ? around.expression : around.condition);
        return guards && now === "stricter" && checksOnly(around);
      } else if (!ts.isParenthesizedExpression(around) && !isAndOr(around)) {
        return false;
      }
    }
  }
}

function directionOf(node: ts.Node, replacement: string): Direction | undefined {
  if (replacement === "true") return "weaker";
  if (replacement === "false") return "stricter";
  if (!ts.isBinaryExpression(node)) return undefined;
  const operator = node.operatorToken.kind;
  const instead = operatorOf(replacement, node.left.getText().length);
  if (instead === undefined) return undefined;
  if (WEAKER.get(operator) === instead) return "weaker";
  return WEAKER.get(instead) === operator ? "stricter" : undefined;
}

/** Of an expression, behind a left side that is as long as it was. */
function operatorOf(text: string, leftLength: number): ts.SyntaxKind | undefined {
  const scanner = ts.createScanner(
    ts.ScriptTarget.Latest,
    true,
    ts.LanguageVariant.Standard,
    text,
    undefined,
    leftLength,
  );
  // `>` is read alone: behind it may stand the end of a list of types.
  const first = scanner.scan();
  return first === ts.SyntaxKind.GreaterThanToken ? scanner.reScanGreaterToken() : first;
}

function isAndOr(node: ts.Node): boolean {
  if (!ts.isBinaryExpression(node)) return false;
  const { kind } = node.operatorToken;
  return kind === ts.SyntaxKind.AmpersandAmpersandToken || kind === ts.SyntaxKind.BarBarToken;
}

function isAssert(node: ts.Node): node is ts.CallExpression {
  return ts.isCallExpression(node) && node.expression.getText() === "assert";
}

/** A statement that does nothing but look; what it remembers for that is `own`, and ends with it. */
function checksOnly(statement: ts.Statement, own: ReadonlySet<string> = new Set()): boolean {
  if (ts.isBlock(statement)) return allCheck(statement.statements, own);
  if (ts.isExpressionStatement(statement))
    return isCheck(statement.expression) || changesOwn(statement.expression, own);
  if (ts.isIfStatement(statement)) {
    const { expression, thenStatement, elseStatement } = statement;
    const quiet = !hasEffect(expression) && checksOnly(thenStatement, own);
    return quiet && (elseStatement === undefined || checksOnly(elseStatement, own));
  }
  if (ts.isForOfStatement(statement)) return !hasEffect(statement.expression) && checksOnly(statement.statement, own);
  if (!ts.isForStatement(statement)) return false;
  const { initializer, condition, incrementor } = statement;
  const inner = new Set([...own, ...declaredBy(initializer)]);
  const begins = initializer === undefined || !hasEffect(initializer);
  const goesOn = condition === undefined || !hasEffect(condition);
  return (
    begins &&
    goesOn &&
    (incrementor === undefined || changesOwn(incrementor, inner)) &&
    checksOnly(statement.statement, inner)
  );
}

function allCheck(statements: readonly ts.Statement[], own: ReadonlySet<string>): boolean {
  const inner = new Set(own);
  return statements.every((one) => {
    if (!ts.isVariableStatement(one)) return checksOnly(one, inner);
    for (const name of declaredBy(one.declarationList)) inner.add(name);
    return !hasEffect(one);
  });
}

function declaredBy(list: ts.Node | undefined): readonly string[] {
  return list !== undefined && ts.isVariableDeclarationList(list)
    ? list.declarations.map(({ name }) => name.getText())
    : [];
}

/** An assert, or a call of others. */
function isCheck(node: ts.Expression): boolean {
  return ts.isCallExpression(node) && CHECKS.test(calledName(node)) && !node.arguments.some(hasEffect);
}

function changesOwn(node: ts.Expression, own: ReadonlySet<string>): boolean {
  if (ts.isPostfixUnaryExpression(node)) return own.has(node.operand.getText());
  return isAssignment(node) && own.has(node.left.getText()) && !hasEffect(node.right);
}

function isAssignment(node: ts.Node): node is ts.BinaryExpression {
  return (
    ts.isBinaryExpression(node) &&
    node.operatorToken.kind >= ts.SyntaxKind.FirstAssignment &&
    node.operatorToken.kind <= ts.SyntaxKind.LastAssignment
  );
}

/** It may change something: it assigns, or calls what does not only ask. */
function hasEffect(node: ts.Node): boolean {
  if (isAssignment(node) || ts.isPostfixUnaryExpression(node) || ts.isAwaitExpression(node)) return true;
  if (ts.isPrefixUnaryExpression(node) && STEPS.has(node.operator)) return true;
  if (ts.isCallExpression(node) && !ASKS.test(calledName(node))) return true;
  return ts.forEachChild(node, hasEffect) ?? false;
}

function calledName({ expression }: ts.CallExpression): string {
  return ts.isPropertyAccessExpression(expression) ? expression.name.text : expression.getText();
}
