import { Lexer } from 'yaml';

/** What the package keeps for itself of its lexer; the lock file fixes the package's version. */
interface Inner {
  /** Columns that the next line wants, or else a scalar or collection ends there as an error. */
  indentNext: number;
  parseFlowCollection: Step;
  parseQuotedScalar: Step;
}
type Step = () => Generator<string, unknown>;

/**
 * A lexer that ends quoted scalars and flow collections at their closing mark alone, as Kubernetes' parser does. YAML 1.2 wants
 * each of their lines indented, and NADs in the wild have `config: '{` and a `}'` at the margin.
 */
export function createLexer(): Lexer {
  const lexer = new Lexer();
  const inner = lexer as unknown as Inner;
  inner.parseFlowCollection = atAnyIndent(inner, inner.parseFlowCollection);
  inner.parseQuotedScalar = atAnyIndent(inner, inner.parseQuotedScalar);
  return lexer;
}

function atAnyIndent(inner: Inner, step: Step): Step {
  return function* () {
    const { indentNext } = inner;
    inner.indentNext = 0;
    const next = yield* step.call(inner);
    inner.indentNext = indentNext;
    return next;
  };
}
