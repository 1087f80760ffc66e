import { Lexer } from 'yaml';

/**
 * Private members of the package's lexer. Using them is safe because the lock file pins the version
 * of the package.
 */
interface Inner {
  /**
   * Minimum indentation of the next line. If that line has less, the lexer ends the scalar or
   * collection with an error.
   */
  indentNext: number;
  parseFlowCollection: Step;
  parseQuotedScalar: Step;
}
type Step = () => Generator<string, unknown>;

/**
 * Creates a lexer that ends quoted scalars and flow collections only at their closing mark, as
 * Kubernetes' parser does. YAML 1.2 demands that each of their lines is indented, but NADs in the
 * wild have `config: '{` with a `}'` at the left margin.
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
