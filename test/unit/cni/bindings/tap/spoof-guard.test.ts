/** The rules of a spoof guard, evaluated directly: each matters for at least one kind of frame. */
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { SERVICE_RULES } from '../../../../../cni/bindings/tap/service-rules.ts';
import { guardRules } from '../../../../../cni/bindings/tap/spoof-guard.ts';
import type { FrameRule } from '../../../../../shared/frame-match.ts';
import { SPOOF_GUARDS, type SpoofGuard } from '../../../../../shared/record.ts';
import { GUEST, KINDS, MAC, TRUNCATED, unserved } from '../../../../helpers/pod/spoof-kinds.ts';
import { frameOf, verdictOf } from '../../../../helpers/pod/verdict-of.ts';

const test = suite('guardRules()');

const VERDICTS = { out: 'pass', up: 'up', lost: 'drop' } as const;

const rulesOf = (guard: SpoofGuard): readonly FrameRule[] => guardRules(guard, MAC, GUEST);

/** The kinds of frame that these rules treat in another way than the table says. */
const wrongKinds = (rules: readonly FrameRule[], guard: SpoofGuard): readonly string[] =>
  KINDS.filter(({ frame, served }) => verdictOf(rules, frameOf(frame)) !== VERDICTS[served[guard]]).map(
    ({ what }) => what,
  );

for (const guard of SPOOF_GUARDS) {
  test(`guard "${guard}" with services treats every kind of frame as the table says`, () =>
    assert.equal(wrongKinds([...SERVICE_RULES, ...rulesOf(guard)], guard), []));

  test(`guard "${guard}" with services has no rule without which the table would hold`, () => {
    const guards = rulesOf(guard);
    const rules = [...SERVICE_RULES, ...guards];
    const holdsWithout = (rule: FrameRule): boolean =>
      wrongKinds(
        rules.filter((other) => other !== rule),
        guard,
      ).length === 0;
    assert.equal((guard === 'off' ? rules : guards).filter(holdsWithout), []);
  });
}

for (const guard of ['off', 'mac'] as const) {
  test(`guard "${guard}" without services lets everything else pass`, () => {
    for (const kind of KINDS) {
      const want = VERDICTS[unserved(kind, guard)];
      assert.is(verdictOf(rulesOf(guard), frameOf(kind.frame)), want, kind.what);
    }
  });
}

test('a frame that ends early never passes the guard of addresses', () => {
  for (const [what, frame] of TRUNCATED) {
    assert.is.not(verdictOf([...SERVICE_RULES, ...rulesOf('addresses')], frameOf(frame)), 'pass', what);
  }
});

test.run();
