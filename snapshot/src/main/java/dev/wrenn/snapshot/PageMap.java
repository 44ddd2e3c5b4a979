package dev.wrenn.snapshot;

import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import java.util.function.IntUnaryOperator;
import java.util.zip.CRC32C;

/**
 * Says for each guest page whether it is zero or which page of which layer holds it.
 *
 * <p>Fully resolved: one binary search answers, no chain of parents is walked. Kept as runs sorted
 * by guest page that do not overlap; what lies between runs is zero. Immutable. Layout of its file:
 * docs/snapshot-format.md.
 */
public final class PageMap {
    /**
     * Neighbouring pages that lie next to each other in one layer.
     *
     * @param page first guest page
     * @param pages how many
     * @param layer index into the manifest's layer table, or {@link #ZERO}
     * @param layerPage first page within the layer
     */
    record Run(int page, int pages, int layer, int layerPage) {
        int end() {
            return page + pages;
        }
    }

    /** Layer index of pages that became zero; only in changes, never in a map. */
    static final int ZERO = -1;

    private static final long MAGIC = 0x3130_5041_4d45_4750L; // "PGEMAP01", little endian
    private static final int HEADER_BYTES = 24;
    private static final int RUN_BYTES = 16;
    private static final int CRC_BYTES = 4;

    private final int pageCount;
    private final int[] starts;
    private final List<Run> runs;

    private PageMap(int pageCount, List<Run> runs) {
        this.pageCount = pageCount;
        this.runs = List.copyOf(runs);
        this.starts = runs.stream().mapToInt(Run::page).toArray();
    }

    /** All zero. */
    public static PageMap zero(int pageCount) {
        return new PageMap(pageCount, List.of());
    }

    /** Number of guest pages. */
    public int pageCount() {
        return pageCount;
    }

    List<Run> runs() {
        return runs;
    }

    /** Index of the run that holds the page, or -(insertion point) - 1 if the page is zero. */
    int find(int page) {
        int low = 0;
        int high = starts.length - 1;
        while (low <= high) {
            int middle = (low + high) >>> 1;
            if (starts[middle] <= page) {
                low = middle + 1;
            } else {
                high = middle - 1;
            }
        }
        return high >= 0 && page < runs.get(high).end() ? high : -low - 1;
    }

    /** First page of the run with that index; the page count past the last one. */
    int startOf(int index) {
        return index < starts.length ? starts[index] : pageCount;
    }

    /**
     * This map with changes laid over it; linear in the number of runs.
     *
     * @param changes not overlapping, in any order; layer {@link #ZERO} makes pages zero
     */
    PageMap overlay(List<Run> changes) {
        var sorted = new ArrayList<>(changes);
        sorted.sort(Comparator.comparingInt(Run::page));
        var result = new RunList(runs.size() + sorted.size());
        int next = 0;
        int covered = 0; // pages below are decided
        for (var change : sorted) {
            if (change.page() < covered || change.end() > pageCount || change.pages() < 1) {
                throw new IllegalArgumentException(
                        "changes overlap or leave the map: %s begins before page %d"
                                .formatted(change, covered));
            }
            next = copyOld(result, next, covered, change.page());
            if (change.layer() != ZERO) {
                result.add(change);
            }
            covered = change.end();
        }
        copyOld(result, next, covered, pageCount);
        return new PageMap(pageCount, result.runs);
    }

    /** Copies what old runs hold of [from, to); returns the first run that may reach beyond. */
    private int copyOld(RunList result, int first, int from, int to) {
        int i = first;
        while (i < runs.size() && runs.get(i).end() <= from) {
            i++;
        }
        while (i < runs.size() && runs.get(i).page() < to) {
            var old = runs.get(i);
            int begin = Math.max(old.page(), from);
            int end = Math.min(old.end(), to);
            if (begin < end) {
                result.add(
                        new Run(
                                begin,
                                end - begin,
                                old.layer(),
                                old.layerPage() + begin - old.page()));
            }
            if (old.end() > to) {
                break;
            }
            i++;
        }
        return i;
    }

    /** Renumbers layers, for a manifest that drops the ones no page needs any more. */
    PageMap withLayers(IntUnaryOperator newIndex) {
        return moved((layer, layerPage) -> new Place(newIndex.applyAsInt(layer), layerPage));
    }

    /** Where a page is stored. */
    record Place(int layer, int layerPage) {}

    /** Says where a stored page lies in another set of layers. */
    interface Move {
        /** Where it lies then. */
        Place to(int layer, int layerPage);
    }

    /** The same memory in other layers. */
    PageMap moved(Move move) {
        var result = new RunList(runs.size());
        for (var run : runs) {
            for (int i = 0; i < run.pages(); i++) {
                var place = move.to(run.layer(), run.layerPage() + i);
                result.add(new Run(run.page() + i, 1, place.layer(), place.layerPage()));
            }
        }
        return new PageMap(pageCount, result.runs);
    }

    /** Fuses neighbours as they are added. */
    private static final class RunList {
        final List<Run> runs;

        RunList(int expected) {
            runs = new ArrayList<>(expected);
        }

        void add(Run run) {
            if (!runs.isEmpty()) {
                var last = runs.getLast();
                if (last.end() == run.page()
                        && last.layer() == run.layer()
                        && last.layerPage() + last.pages() == run.layerPage()) {
                    runs.set(
                            runs.size() - 1,
                            new Run(
                                    last.page(),
                                    last.pages() + run.pages(),
                                    last.layer(),
                                    last.layerPage()));
                    return;
                }
            }
            runs.add(run);
        }
    }

    byte[] encode() {
        var buffer =
                ByteBuffer.allocate(HEADER_BYTES + RUN_BYTES * runs.size() + CRC_BYTES)
                        .order(ByteOrder.LITTLE_ENDIAN)
                        .putLong(MAGIC)
                        .putInt(PageSource.PAGE_BYTES)
                        .putInt(pageCount)
                        .putInt(runs.size())
                        .putInt(0);
        for (var run : runs) {
            buffer.putInt(run.page())
                    .putInt(run.pages())
                    .putInt(run.layer())
                    .putInt(run.layerPage());
        }
        var crc = new CRC32C();
        crc.update(buffer.array(), 0, buffer.position());
        return buffer.putInt((int) crc.getValue()).array();
    }

    /**
     * Reads a map and checks all of it.
     *
     * @param file where it lies, for the failure
     * @param layerPages pages of each layer
     * @throws SnapshotCorrupt if it is no map of that many pages over those layers
     */
    static PageMap decode(String file, byte[] bytes, long pageCount, int[] layerPages) {
        if (bytes.length < HEADER_BYTES + CRC_BYTES) {
            throw new SnapshotCorrupt(file, "is too short");
        }
        var buffer = ByteBuffer.wrap(bytes).order(ByteOrder.LITTLE_ENDIAN);
        var crc = new CRC32C();
        crc.update(bytes, 0, bytes.length - CRC_BYTES);
        if ((int) crc.getValue() != buffer.getInt(bytes.length - CRC_BYTES)) {
            throw new SnapshotCorrupt(file, "does not match its checksum");
        }
        long magic = buffer.getLong();
        int pageBytes = buffer.getInt();
        int pages = buffer.getInt();
        int count = buffer.getInt();
        buffer.getInt();
        if (magic != MAGIC || pageBytes != PageSource.PAGE_BYTES || pages != pageCount) {
            throw new SnapshotCorrupt(file, "is of another kind or size");
        }
        if (count != (bytes.length - HEADER_BYTES - CRC_BYTES) / RUN_BYTES) {
            throw new SnapshotCorrupt(file, "has another number of runs than it says");
        }
        var runs = new ArrayList<Run>(count);
        long free = 0;
        for (int i = 0; i < count; i++) {
            var run = new Run(buffer.getInt(), buffer.getInt(), buffer.getInt(), buffer.getInt());
            boolean inMap =
                    run.page() >= free
                            && run.pages() > 0
                            && (long) run.page() + run.pages() <= pages;
            boolean inLayer =
                    run.layer() >= 0
                            && run.layer() < layerPages.length
                            && run.layerPage() >= 0
                            && (long) run.layerPage() + run.pages() <= layerPages[run.layer()];
            if (!inMap || !inLayer) {
                throw new SnapshotCorrupt(file, "has an impossible run " + run);
            }
            free = run.end();
            runs.add(run);
        }
        return new PageMap(pages, runs);
    }
}
