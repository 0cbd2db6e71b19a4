/** Rows of Parquet files, some at a time. */
import { asyncBufferFromFile, type FileMetaData, parquetMetadataAsync, parquetReadObjects, parquetSchema } from "hyparquet";
import { compressors } from "hyparquet-compressors";

/** Rows of a Parquet file, with the number of the first, counted from 1. */
export interface ParquetRows {
  readonly rows: readonly Record<string, unknown>[];
  readonly first: number;
}

const ROWS_AT_ONCE = 8192;

/**
 * Reads columns of a Parquet file.
 *
 * @param columns chooses from the names of the columns
 * @throws where the file isn't Parquet or is damaged
 */
export async function* readParquet(
  file: string,
  columns: (names: readonly string[]) => readonly string[],
): AsyncGenerator<ParquetRows, void, undefined> {
  const fail = (cause: Error): never => {
    throw new Error(`${file}: can't be read as Parquet: ${cause.message}`, { cause });
  };
  const buffer = await asyncBufferFromFile(file).catch(fail);
  const metadata: FileMetaData = await parquetMetadataAsync(buffer).catch(fail);
  const wanted = [...columns(parquetSchema(metadata).children.map(({ element }) => element.name))];
  let start = 0;
  for (const group of metadata.row_groups) {
    const end = start + Number(group.num_rows);
    for (let first = start; first < end; first += ROWS_AT_ONCE) {
      const rows = await parquetReadObjects({
        file: buffer,
        metadata,
        columns: wanted,
        compressors,
        rowStart: first,
        rowEnd: Math.min(first + ROWS_AT_ONCE, end),
      }).catch(fail);
      yield { rows, first: first + 1 };
    }
    start = end;
  }
}
