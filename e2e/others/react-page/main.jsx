// A page of the kind that comes with such a backend: a hook, a list, a form.

import { useEffect, useState } from 'react';
import { createRoot } from 'react-dom/client';
import websocket from 'react-use-websocket';

// Bundlers that go by Node's rules give the whole module of a CommonJS package.
const useWebSocket = websocket.default ?? websocket;

/** A bucket's news, or nothing. */
function newsOf(text) {
  try {
    const { bucketName, bucketKey, message } = JSON.parse(text);
    return bucketName && bucketKey && { bucketName, bucketKey, message };
  } catch {
    return undefined;
  }
}

function App() {
  const [frames, setFrames] = useState([]);
  const [words, setWords] = useState('');
  const { sendJsonMessage, readyState } = useWebSocket(WEBSOCKET_URL, {
    shouldReconnect: () => true,
    onMessage: ({ data }) => setFrames((before) => [...before, data]),
  });
  useEffect(() => {
    document.title = readyState === 1 ? 'Live bucket' : 'Live bucket (not connected)';
  }, [readyState]);

  return (
    <main>
      <h1>Live bucket</h1>
      <p role="status">{readyState === 1 ? 'Connected' : 'Not connected'}</p>
      <form
        onSubmit={(event) => {
          event.preventDefault();
          sendJsonMessage({ action: 'echomessage', data: words });
          setWords('');
        }}
      >
        <label>
          Message <input value={words} onChange={(event) => setWords(event.target.value)} />
        </label>
        <button>Send</button>
      </form>
      <ul aria-label="Messages">
        {frames.map((text, index) => {
          const news = newsOf(text);
          return <li key={index}>{news ? `${news.message} (${news.bucketKey} in ${news.bucketName})` : text}</li>;
        })}
      </ul>
    </main>
  );
}

createRoot(document.getElementById('root')).render(<App />);
