/** Where the page begins: language, theme, queries, then the application. */
import './style/mantine.css';
import './style/page.css';
import './style/timeline.css';
import './style/player.css';
import { QueryClientProvider } from '@tanstack/react-query';
import { createRoot } from 'react-dom/client';
import { createQueryClient } from './api/queries.js';
import { App } from './app.js';
import { startText } from './text/index.js';

await startText();
const root = document.getElementById('root');
if (root) {
  createRoot(root).render(
    <QueryClientProvider client={createQueryClient()}>
      <App />
    </QueryClientProvider>,
  );
}
