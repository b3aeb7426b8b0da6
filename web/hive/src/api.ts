/** What the pages ask of hive, on top of the client generated from its OpenAPI document. */
import {
  addLogAttachmentsApiV1LogReferenceAttachmentsPost,
  createInCaseApiV1CaseReferenceObservablePost,
  createJobsApiV1ConnectorCortexJobBulkPost,
  createLogApiV1TaskReferenceLogPost,
  createTaskApiV1CaseReferenceTaskPost,
  currentApiV1UserCurrentGet,
  getApiV1AlertReferenceGet,
  getApiV1CaseReferenceGet,
  getJobApiV1ConnectorCortexJobReferenceGet,
  listByTypeApiV1ConnectorCortexAnalyzerTypeDataTypeGet,
  loginApiV1LoginPost,
  logoutApiV1LogoutPost,
  markReadApiV1AlertReferenceReadPost,
  markUnreadApiV1AlertReferenceUnreadPost,
  promoteApiV1AlertReferenceCasePost,
  queryApiV1QueryPost,
  updateApiV1TaskReferencePatch,
} from './generated';
import { client } from './generated/client.gen';
import type {
  DownloadApiV1AttachmentReferenceDownloadGetData,
  InputObservable,
  InputUpdateTask,
  OutputAlert,
  OutputCase,
  OutputCaseTemplate,
  OutputJob,
  OutputLog,
  OutputObservable,
  OutputTask,
  OutputUser,
  OutputWorker,
  StreamApiV1StreamGetData,
} from './generated';

interface Answer<T> {
  data?: T;
  error?: unknown;
  response?: Response;
}

/** The data of a generated call, or the API's error thrown. */
async function data<T>(call: Promise<Answer<T>>): Promise<T> {
  const answer = await call;
  if (answer.error !== undefined || !answer.response?.ok) throw answer.error ?? new Error('The server does not answer.');
  return answer.data as T;
}

type Step = { _name: string } & Record<string, unknown>;

/** The result of a chain of query steps; lists are typed by whoever writes the chain. */
async function query<T>(...steps: Step[]): Promise<T> {
  return (await data(queryApiV1QueryPost({ body: { query: steps } }))) as T;
}

export interface Page<T> {
  items: T[];
  total: number;
}

interface Range {
  from: number;
  to: number;
}

async function page<T>(steps: Step[], sort: Step, { from, to }: Range): Promise<Page<T>> {
  const [items, total] = await Promise.all([
    query<T[]>(...steps, sort, { _name: 'page', from, to }),
    query<number>(...steps, { _name: 'count' }),
  ]);
  return { items, total };
}

export const STREAM_URL: StreamApiV1StreamGetData['url'] = '/api/v1/stream';

const DOWNLOAD: DownloadApiV1AttachmentReferenceDownloadGetData['url'] = '/api/v1/attachment/{reference}/download';

export const attachmentUrl = (id: string): string => client.buildUrl({ url: DOWNLOAD, path: { reference: id } });

export const currentUser = () => data<OutputUser>(currentApiV1UserCurrentGet());
export const login = (user: string, password: string) => data(loginApiV1LoginPost({ body: { user, password } }));
export const logout = () => data(logoutApiV1LogoutPost());

export type AlertView = 'open' | 'imported' | 'closed' | 'all';

const VIEW: Record<AlertView, Step[]> = {
  open: [{ _name: 'filter', _or: [{ _field: 'stage', _value: 'New' }, { _field: 'stage', _value: 'InProgress' }] }],
  imported: [{ _name: 'filter', _field: 'stage', _value: 'Imported' }],
  closed: [{ _name: 'filter', _field: 'stage', _value: 'Closed' }],
  all: [],
};

export function listAlerts({ view, search, ...range }: Range & { view: AlertView; search: string }): Promise<Page<OutputAlert>> {
  const steps: Step[] = [{ _name: 'listAlert' }, ...VIEW[view]];
  if (search.trim()) steps.push({ _name: 'filter', _like: { _field: 'title', _value: `*${search.trim()}*` } });
  return page(steps, { _name: 'sort', _fields: [{ date: 'desc' }] }, range);
}

export const getAlert = (id: string) => data<OutputAlert>(getApiV1AlertReferenceGet({ path: { reference: id } }));
export const alertObservables = (id: string) =>
  query<OutputObservable[]>({ _name: 'getAlert', idOrName: id }, { _name: 'observables' });
export const setAlertRead = (id: string, read: boolean) =>
  data<unknown>(
    read
      ? markReadApiV1AlertReferenceReadPost({ path: { reference: id } })
      : markUnreadApiV1AlertReferenceUnreadPost({ path: { reference: id } }),
  );
export const promoteAlert = (id: string, caseTemplate: string | null) =>
  data<OutputCase>(promoteApiV1AlertReferenceCasePost({ path: { reference: id }, body: caseTemplate ? { caseTemplate } : {} }));
export const listCaseTemplates = () => query<OutputCaseTemplate[]>({ _name: 'listCaseTemplate' });

export const listCases = (range: Range): Promise<Page<OutputCase>> =>
  page([{ _name: 'listCase' }], { _name: 'sort', _fields: [{ startDate: 'desc' }] }, range);
export const getCase = (id: string) => data<OutputCase>(getApiV1CaseReferenceGet({ path: { reference: id } }));

export const caseTasks = (id: string) => query<OutputTask[]>({ _name: 'getCase', idOrName: id }, { _name: 'tasks' });
export const createTask = (caseId: string, title: string) =>
  data<OutputTask>(createTaskApiV1CaseReferenceTaskPost({ path: { reference: caseId }, body: { title } }));
export const updateTask = (id: string, body: InputUpdateTask) =>
  data<unknown>(updateApiV1TaskReferencePatch({ path: { reference: id }, body }));
export const taskLogs = (id: string) => query<OutputLog[]>({ _name: 'getTask', idOrName: id }, { _name: 'logs' });

/** Writes a log entry, then attaches the files to it. */
export async function addLog(taskId: string, message: string, files: File[]): Promise<void> {
  const made = await data<OutputLog>(createLogApiV1TaskReferenceLogPost({ path: { reference: taskId }, body: { message } }));
  if (files.length > 0) {
    await data<unknown>(addLogAttachmentsApiV1LogReferenceAttachmentsPost({ path: { reference: made._id }, body: { attachments: files } }));
  }
}

export const caseObservables = (id: string) =>
  query<OutputObservable[]>({ _name: 'getCase', idOrName: id }, { _name: 'observables' });
export const createObservable = (caseId: string, body: InputObservable) =>
  data<unknown>(createInCaseApiV1CaseReferenceObservablePost({ path: { reference: caseId }, body }));

export const analyzersFor = (dataType: string) =>
  data<OutputWorker[]>(listByTypeApiV1ConnectorCortexAnalyzerTypeDataTypeGet({ path: { data_type: dataType } }));
export const runAnalyzers = (observable: string, workers: OutputWorker[]) =>
  data<unknown>(
    createJobsApiV1ConnectorCortexJobBulkPost({
      body: {
        jobs: workers.map((worker) => ({ analyzerId: worker.id, cortexId: worker.cortexIds?.[0] ?? '', artifactId: observable })),
      },
    }),
  );

/** An observable's jobs, newest first, each with its report: lists leave reports out. */
export async function observableJobs(observable: string): Promise<OutputJob[]> {
  const jobs = await query<OutputJob[]>({ _name: 'getObservable', idOrName: observable }, { _name: 'jobs' });
  const ended = (job: OutputJob) => job.status === 'Success' || job.status === 'Failure';
  const full = await Promise.all(
    jobs.map((job) => (ended(job) ? data<OutputJob>(getJobApiV1ConnectorCortexJobReferenceGet({ path: { reference: job._id } })) : job)),
  );
  return full.sort((a, b) => b.startDate - a.startDate);
}
