import react from '@vitejs/plugin-react';
import { defineConfig } from 'vite';

const api = { target: process.env.WAGGLE_HIVE_URL ?? 'http://127.0.0.1:9000', changeOrigin: false };

export default defineConfig({
  root: import.meta.dirname,
  plugins: [react()],
  server: { proxy: { '/api': api } },
  build: { outDir: 'dist', emptyOutDir: true, sourcemap: false, chunkSizeWarningLimit: 900 },
});
