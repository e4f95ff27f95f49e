// The data of the page: unpacking, and typed columns over it. docs/html-report.md has the format.

export interface LeftOut { faults: number; edits: number; vmas: number; exits: number; syscalls: number; signals: number; counters: number; spaces: number }

export interface Header {
  version: number; faultline: string; backend: string; linux: string; host_kernel: string; cpu: string;
  command: string[]; memory: number; levels: number; started: number; ring: number;
  first: number; last: number; end_ns: number; end: string; status: number; problem: string;
  left_out: LeftOut;
  paths: string[][];
  texts: string[];
  columns: [string, number, number][];
}

export interface Wide { low: Uint32Array; high: Uint32Array }

const kVersion = 2;

async function inflate(bytes: Uint8Array<ArrayBuffer>): Promise<Uint8Array> {
  const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("deflate-raw"));
  return new Uint8Array(await new Response(stream).arrayBuffer());
}

function decode(bytes: Uint8Array, start: number, rows: number): Uint32Array {
  const out = new Uint32Array(rows);
  let at = start, last = 0;
  for (let row = 0; row < rows; ++row) {
    let code = 0, shift = 0, byte;
    do {
      byte = bytes[at++]!;
      code |= (byte & 0x7f) << shift;
      shift += 7;
    } while (byte & 0x80);
    last = (last + ((code >>> 1) ^ -(code & 1))) | 0;
    out[row] = last;
  }
  return out;
}

export class Data {
  readonly texts: string[];
  private readonly places = new Map<string, { start: number; rows: number }>();
  private readonly columns = new Map<string, Uint32Array>();  // those that were asked for

  private constructor(readonly header: Header, private readonly bytes: Uint8Array, start: number) {
    this.texts = header.texts;
    for (const [name, rows, size] of header.columns) {
      this.places.set(name, { start, rows });
      start += size;
    }
  }

  static async load(letters: string): Promise<Data> {
    const text = atob(letters.trim());
    const packed = new Uint8Array(text.length);
    for (let n = 0; n < text.length; ++n) packed[n] = text.charCodeAt(n);
    const bytes = await inflate(packed);
    const size = new DataView(bytes.buffer).getUint32(0, true);
    const header = JSON.parse(new TextDecoder().decode(bytes.subarray(4, 4 + size))) as Header;
    if (header.version !== kVersion) throw new Error(`data of version ${header.version}, this page reads ${kVersion}`);
    return new Data(header, bytes, 4 + size);
  }

  column(name: string): Uint32Array {
    const made = this.columns.get(name);
    if (made) return made;
    const place = this.places.get(name);
    if (!place) throw new Error(`column ${name} is missing`);
    const column = decode(this.bytes, place.start, place.rows);
    this.columns.set(name, column);
    return column;
  }
  wide(name: string): Wide {
    return { low: this.column(`${name}.low`), high: this.column(`${name}.high`) };
  }
  // For what stays below 2^53: times, numbers of events, page numbers.
  numbers(name: string): Float64Array {
    const { low, high } = this.wide(name);
    return Float64Array.from(low, (value, n) => high[n]! * 4294967296 + value);
  }
  // Addresses by page, exact for every address there is.
  pages(name: string): Float64Array {
    const { low, high } = this.wide(name);
    return Float64Array.from(low, (value, n) => high[n]! * 1048576 + (value >>> 12));
  }
}

export function at(wide: Wide, row: number): bigint {
  return (BigInt(wide.high[row]!) << 32n) | BigInt(wide.low[row]!);
}
