-- What a definition of the bridge asks of the misp-modules server: the module's name, types and settings.
ALTER TABLE definitions ADD COLUMN misp_module jsonb;

-- Which runner a worker's jobs go to; without it the first that fits.
ALTER TABLE workers ADD COLUMN runner text CHECK (runner IN ('warm', 'process', 'docker'));
