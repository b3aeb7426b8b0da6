import { expect, test } from 'vitest';
import { ago } from './time';

test('times are told in the largest unit that fits', () => {
  const now = 1_800_000_000_000;
  expect(ago(now - 5_000, now)).toBe('5 seconds ago');
  expect(ago(now - 2 * 3_600_000, now)).toBe('2 hours ago');
  expect(ago(now - 3 * 86_400_000, now)).toBe('3 days ago');
  expect(ago(now + 60_000, now)).toBe('in 1 minute');
});
