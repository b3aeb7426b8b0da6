import { MantineProvider } from '@mantine/core';
import { cleanup, render, screen } from '@testing-library/react';
import { afterEach, beforeAll, expect, test } from 'vitest';
import { Markdown } from './Markdown';

beforeAll(() => {
  window.matchMedia = (query: string) =>
    ({ matches: false, media: query, addEventListener: () => {}, removeEventListener: () => {} }) as unknown as MediaQueryList;
});
afterEach(cleanup);

const show = (text: string) =>
  render(
    <MantineProvider>
      <Markdown text={text} />
    </MantineProvider>,
  );

test('markdown is rendered', () => {
  show('**bold** and `code`');
  expect(screen.getByText('bold').tagName).toBe('STRONG');
});

test('HTML and script links in a text do nothing', () => {
  const { container } = show('<script>alert(1)</script> <img src=x onerror=alert(1)> [x](javascript:alert(1)) ![p](http://a/b.png)');
  expect(container.querySelector('script, img, [onerror]')).toBeNull();
  expect(container.querySelector('a')?.getAttribute('href') ?? '').not.toContain('javascript');
});
