import { type Instancetypes, readInstancetypes } from './instancetypes.ts';
import { type Preferences, readPreferences } from './preferences.ts';
import type { Resource } from './resource.ts';

/** Objects from which VMs take defaults. */
export interface Presets {
  readonly preferences: Preferences;
  readonly instancetypes: Instancetypes;
}

export const readPresets = (resources: readonly Resource[]): Presets => ({
  preferences: readPreferences(resources),
  instancetypes: readInstancetypes(resources),
});
