import { useEffect, useRef } from 'react';

export interface LiveEvent {
  action: string;
  objectType: string;
  objectId: string;
  rootId: string;
}

/** Listens to a server's event stream for as long as the component lives; the browser reconnects by itself. */
export function useLive(url: string, onEvent: (event: LiveEvent) => void): void {
  const latest = useRef(onEvent);
  latest.current = onEvent;
  useEffect(() => {
    const source = new EventSource(url);
    source.addEventListener('audit', (message: MessageEvent<string>) => latest.current(JSON.parse(message.data) as LiveEvent));
    return () => source.close();
  }, [url]);
}
