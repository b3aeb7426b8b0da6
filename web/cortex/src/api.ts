import {
  analyzersByTypeApiAnalyzerTypeDataTypeGet,
  currentUserApiUserCurrentGet,
  getReportApiJobJobIdReportGet,
  listAnalyzersApiAnalyzerGet,
  loginApiLoginPost,
  logoutApiLogoutGet,
  runAnalyzerApiAnalyzerWorkerIdRunPost,
  searchJobsApiJobSearchPost,
} from './generated';
import type { ShownJob, ShownUser, ShownWorker } from './generated';

/** The data of a generated call, or the API's error thrown. */
async function data<T>(call: Promise<{ data?: T; error?: unknown; response?: Response }>): Promise<T> {
  const answer = await call;
  if (answer.error !== undefined || !answer.response?.ok) throw answer.error ?? new Error('The server does not answer.');
  return answer.data as T;
}

export const currentUser = () => data<ShownUser>(currentUserApiUserCurrentGet());
export const login = (user: string, password: string) => data(loginApiLoginPost({ body: { user, password } }));
export const logout = () => data(logoutApiLogoutGet());
export const analyzers = () => data<ShownWorker[]>(listAnalyzersApiAnalyzerGet({ query: { range: 'all' } }));
export const analyzersFor = (dataType: string) =>
  data<ShownWorker[]>(analyzersByTypeApiAnalyzerTypeDataTypeGet({ path: { data_type: dataType } }));
export const jobs = () =>
  data<ShownJob[]>(searchJobsApiJobSearchPost({ body: { query: {} }, query: { range: '0-50', sort: ['-createdAt'] } }));
export const report = (id: string) => data<ShownJob>(getReportApiJobJobIdReportGet({ path: { job_id: id } }));
export const run = (worker: string, dataType: string, value: string, tlp: number) =>
  data<ShownJob>(runAnalyzerApiAnalyzerWorkerIdRunPost({ path: { worker_id: worker }, body: { dataType, data: value, tlp } }));
