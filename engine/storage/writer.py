"""The one writer of the SQL store: what waits is written together, in one transaction, off the hot path."""

import asyncio
import logging
from collections import deque
from collections.abc import Callable

import msgspec
import sqlalchemy as sa
from msgspec import Struct
from sqlalchemy.exc import DatabaseError, InterfaceError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from engine.domain.effect import Notice, Record, Reply, StoreSetting
from engine.domain.errors import StoreUnavailable
from engine.domain.report import Deed
from engine.domain.view import OpportunityView
from engine.storage import models
from engine.storage.audit import Head, link
from engine.storage.database import migrate, upsert
from engine.storage.rows import Row, rows_of, table_of

log = logging.getLogger(__name__)

_BATCH = 100  # rows are made in the loop's thread: a few ms at most
_GATHER_S = 0.01
_BACKOFF_S = (0.1, 0.5, 1.0, 2.0, 5.0)
_DAY_MS = 86_400_000
# How long rows that only explain the past are kept.
_KEEP_DAYS: dict[type[models.Base], int] = {models.KeptReply: 1, models.StoredNotice: 30, models.Refusal: 90}


What = StoreSetting | Notice | tuple[Deed, Reply | None] | tuple[sa.Table, list[Row]] | sa.Delete | None


class _Durable(Struct, eq=False):
    """What somebody waits for: written in order, never replaced by something newer."""

    what: What
    done: asyncio.Future[int]


class Writer:
    """Life: construct → `open` → a task runs `run` → record, keep … → `flush` → cancel the task → `engine.dispose()`.

    Records are upserts: of several with one key only the newest waits. When more than `max_waiting` wait, the oldest
    signal or refusal is dropped and counted; trades, orders and whatever returns a future are never dropped.
    `on_problem` gets a text when the store cannot be written and "" when it can again.
    """

    def __init__(self, engine: AsyncEngine, *, on_problem: Callable[[str], None], max_waiting: int = 10_000) -> None:
        self._engine = engine
        self._on_problem = on_problem
        self._max_waiting = max_waiting
        self._records: dict[tuple[str, str], Record] = {}
        self._durable: deque[_Durable] = deque()
        self._wake = asyncio.Event()
        self._audit_head = Head()
        self.newest_notice = 0
        self.problem = ""
        self.dropped = 0
        self.refused = 0  # records whose row is not their table's view: our own mistake, told in the log

    async def open(self) -> None:
        """Bring the schema to its newest form and find the ends of the audit chain and of the notices."""
        await migrate(self._engine)
        audit, notices = models.Audit, models.StoredNotice
        async with self._engine.connect() as sql:
            newest = (await sql.execute(sa.select(audit.id, audit.hash).order_by(audit.id.desc()).limit(1))).first()
            self._audit_head = Head(newest.id, newest.hash) if newest is not None else Head()
            self.newest_notice = (
                await sql.execute(sa.select(sa.func.coalesce(sa.func.max(notices.id), 0)))
            ).scalar_one()

    async def end_signals(self) -> None:
        """Before the first event: what is `live` in the store was so in a process that is gone."""
        table = models.ArbitrageSignal
        async with self._engine.connect() as sql:
            rows = (await sql.execute(sa.select(table.body).where(table.status == "live"))).scalars().all()
        for body in rows:
            view = msgspec.json.decode(body, type=OpportunityView)
            ended = msgspec.structs.replace(view, state="expired", reason="the engine stopped while it was live")
            row = msgspec.json.encode(ended)
            self.record(Record(table="signals", key=view.id, wall_ms=view.updated_ms, row=row))

    @property
    def newest_deed(self) -> int:
        """Id of the newest audit row; the chain must reach at least this far."""
        return self._audit_head.id

    def record(self, record: Record) -> None:
        """Upsert soon; never waits."""
        key = (record.table, record.key)
        self._records[key] = record
        if len(self._records) > self._max_waiting and record.table in ("signals", "refusals"):
            oldest = next(key for key in self._records if key[0] in ("signals", "refusals"))
            del self._records[oldest]
            self.dropped += 1
        self._wake.set()

    def setting(self, setting: StoreSetting) -> asyncio.Future[int]:
        """Resolves to the version once it is durable; fails with StoreUnavailable when too much waits already."""
        return self._enqueue(setting)

    def keep(self, deed: Deed, reply: Reply | None) -> asyncio.Future[int]:
        """Audit a deed and keep the answer for a repeated request. Resolves to the audit row's id."""
        return self._enqueue((deed, reply))

    def notice(self, notice: Notice) -> asyncio.Future[int]:
        """Resolves to the notice's id once it is durable."""
        return self._enqueue(notice)

    def rows(self, model: type[models.Base], rows: list[Row]) -> asyncio.Future[int]:
        """Upsert whole rows; resolves to their number."""
        return self._enqueue((table_of(model), rows))

    async def prune(self, now_ms: int) -> None:
        """Delete what is too old to be asked for. The newest notice stays: its id must not be given again."""
        for model, days in _KEEP_DAYS.items():
            table = table_of(model)
            old = sa.delete(table).where(table.c.wall_ms < now_ms - days * _DAY_MS)
            if model is models.StoredNotice:
                old = old.where(table.c.id < self.newest_notice)
            await self._enqueue(old)

    async def flush(self) -> None:
        """Returns when everything that was given so far is durable."""
        while self._records:
            await self._enqueue(None)
        await self._enqueue(None)

    def _enqueue(self, what: What) -> asyncio.Future[int]:
        done: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        if len(self._durable) >= self._max_waiting:
            done.set_exception(StoreUnavailable(f"{len(self._durable)} writes wait: {self.problem}"))
            return done
        self._durable.append(_Durable(what, done))
        self._wake.set()
        return done

    async def run(self) -> None:
        """Write until cancelled. A store that cannot be written is tried again for ever; everything waits."""
        failures = 0
        while True:
            await self._wake.wait()
            # A batch is milliseconds of work on the loop, and what wakes the writer is often the step that has just
            # submitted orders: they leave first.
            await asyncio.sleep(_GATHER_S)
            self._wake.clear()
            while self._durable or self._records:
                try:
                    await self._write_some()
                except (DatabaseError, InterfaceError, OSError) as error:  # a damaged file, too: the desk halts
                    self._tell(f"sql store: {str(error).splitlines()[0]}")
                    await asyncio.sleep(_BACKOFF_S[min(failures, len(_BACKOFF_S) - 1)])
                    failures += 1
                else:
                    failures = 0
                    self._tell("")

    def _tell(self, problem: str) -> None:
        if bool(problem) != bool(self.problem):
            log.log(logging.ERROR if problem else logging.INFO, "store_state problem=%r", problem)
            self._on_problem(problem)
        self.problem = problem

    async def _write_some(self) -> None:
        """One transaction of what waits; it leaves the queues only when it is durable."""
        durable = [self._durable[i] for i in range(min(_BATCH, len(self._durable)))]
        records = dict(list(self._records.items())[:_BATCH])
        batch = _Batch(self._audit_head, self.newest_notice)
        results = [batch.take(item.what) for item in durable]
        for record in records.values():
            self._take_record(batch, record)
        async with self._engine.begin() as sql:
            await batch.write(sql)
        self._audit_head, self.newest_notice = batch.audit_head, batch.newest_notice
        for key, record in records.items():
            if self._records.get(key) is record:
                del self._records[key]
        for item, result in zip(durable, results, strict=True):
            self._durable.popleft()
            if not item.done.done():
                item.done.set_result(result)

    def _take_record(self, batch: "_Batch", record: Record) -> None:
        try:
            table, rows = rows_of(record)
        except (msgspec.ValidationError, KeyError) as error:
            self.refused += 1
            log.error("record_refused table=%s key=%s reason=%r", record.table, record.key, str(error))
            return
        for row in rows:
            batch.put(table, row)


class _Batch:
    """Rows of one transaction, by table and primary key. A copy of the chain's ends moves on with it."""

    def __init__(self, audit_head: Head, newest_notice: int) -> None:
        self.audit_head = audit_head
        self.newest_notice = newest_notice
        self._rows: dict[sa.Table, dict[tuple[object, ...], Row]] = {}
        self._deletes: list[sa.Delete] = []

    def put(self, table: sa.Table, row: Row) -> None:
        key = tuple(row[column.name] for column in table.primary_key.columns)
        self._rows.setdefault(table, {})[key] = row

    def take(self, what: What) -> int:
        match what:
            case StoreSetting():
                self.put(table_of(models.Setting), msgspec.structs.asdict(what))
                return what.version
            case Notice():
                self.newest_notice += 1
                row = {"id": self.newest_notice, **msgspec.structs.asdict(what), "severity": what.severity.value}
                self.put(table_of(models.StoredNotice), row)
                return self.newest_notice
            case (Deed() as deed, reply):
                linked = link(self.audit_head, deed)
                self.audit_head = Head(linked.id, linked.hash)
                self.put(table_of(models.Audit), msgspec.structs.asdict(linked))
                if isinstance(reply, Reply):
                    kept = {"wall_ms": deed.wall_ms, "actor": deed.actor, **msgspec.structs.asdict(reply)}
                    self.put(table_of(models.KeptReply), kept)
                return linked.id
            case (sa.Table() as table, list() as rows):
                for row in rows:
                    self.put(table, row)
                return len(rows)
            case sa.Delete():
                self._deletes.append(what)
        return 0

    async def write(self, sql: AsyncConnection) -> None:
        for table, rows in self._rows.items():
            await sql.execute(upsert(sql.dialect.name, table), list(rows.values()))
        for delete in self._deletes:
            await sql.execute(delete)
