/**
 * Domain documents for the round trip. In the files ⟦ and ⟧ enclose the text to replace: Tapwire's
 * interface, or the place for it. Everything outside must come back byte for byte.
 */
import { readdirSync, readFileSync } from 'node:fs';

const DIRECTORY = `${import.meta.dirname}/../../fixtures/domains`;

export interface DomainFixture {
  readonly name: string;
  readonly xml: Buffer;
  readonly before: Buffer;
  readonly replaced: string;
  readonly after: Buffer;
}

export const domainFixtures: readonly DomainFixture[] = readdirSync(DIRECTORY)
  .filter((file) => file.endsWith('.xml'))
  .sort()
  .map((file) => {
    const [before, replaced, after, ...rest] = readFileSync(`${DIRECTORY}/${file}`, 'utf8').split(/[⟦⟧]/);
    if (before === undefined || replaced === undefined || after === undefined || rest.length > 0) {
      throw new Error(`${file} has no ⟦ ⟧ pair, or more than one`);
    }
    return {
      name: file.replace(/\.xml$/, ''),
      xml: Buffer.from(before + replaced + after),
      before: Buffer.from(before),
      replaced,
      after: Buffer.from(after),
    };
  });

export function domainFixture(name: string): DomainFixture {
  const fixture = domainFixtures.find((candidate) => candidate.name === name);
  if (fixture === undefined) throw new Error(`No domain fixture ${name}`);
  return fixture;
}
