/**
 * How the page is built. Everything is served from the controller itself: no inline scripts, no assets as data URLs beyond images,
 * nothing from elsewhere. With LONGROOF_MOCK set, `vite` and `vite preview` answer /api from dev/mock.ts; the build never holds it.
 */
import { fileURLToPath } from 'node:url';
import react from '@vitejs/plugin-react';
import { defineConfig, type PluginOption } from 'vite';

const here = fileURLToPath(new URL('.', import.meta.url));
const repository = fileURLToPath(new URL('../..', import.meta.url));

export default defineConfig(async () => {
  const plugins: PluginOption[] = [react()];
  if (process.env['LONGROOF_MOCK']) plugins.push((await import('./dev/mock.js')).mockApi());
  return {
    root: here,
    plugins,
    resolve: {
      dedupe: ['react', 'react-dom'],
      alias: [{ find: /^@longroof\/base\/(.*)$/, replacement: `${repository}base/$1.ts` }],
    },
    build: {
      outDir: 'dist',
      emptyOutDir: true,
      assetsInlineLimit: 0,
      target: 'es2022',
      modulePreload: { polyfill: false },
      chunkSizeWarningLimit: 700,
    },
    server: { host: '127.0.0.1' },
    preview: { host: '127.0.0.1' },
  };
});
