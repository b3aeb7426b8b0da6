-- Contents that a message named by URL: which neighbour may fetch them here, and until when.
CREATE TABLE claims (
  service text NOT NULL,
  sha256 bytea NOT NULL REFERENCES blobs,
  content_type text NOT NULL,
  expires_at timestamptz NOT NULL,
  PRIMARY KEY (service, sha256)
);
