import { Typography } from '@mantine/core';
import ReactMarkdown from 'react-markdown';

/** Text that analysts or feeders wrote. Raw HTML in it is shown as text, never interpreted; links open elsewhere. */
export function Markdown({ text }: { text: string }) {
  return (
    <Typography>
      <ReactMarkdown
        components={{
          a: ({ href, children }) => (
            <a href={href} target="_blank" rel="noreferrer noopener">
              {children}
            </a>
          ),
          img: ({ alt, src }) => <span>[image: {alt || src}]</span>,
        }}
      >
        {text}
      </ReactMarkdown>
    </Typography>
  );
}
