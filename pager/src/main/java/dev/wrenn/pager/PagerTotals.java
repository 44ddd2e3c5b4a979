package dev.wrenn.pager;

import com.google.errorprone.annotations.concurrent.GuardedBy;
import java.util.Collections;
import java.util.IdentityHashMap;
import java.util.List;
import java.util.Set;

/** Adds up what page servers do, so that each counts once, serving or ended. Thread-safe. */
final class PagerTotals {
    private final Object lock = new Object();

    @GuardedBy("lock")
    private final Set<PageServer> serving = Collections.newSetFromMap(new IdentityHashMap<>());

    @GuardedBy("lock")
    private ServedPages ended = ServedPages.NONE;

    PageServer begun(PageServer server) {
        synchronized (lock) {
            serving.add(server);
        }
        return server;
    }

    /** Its threads have ended, so its numbers are the last ones. */
    void ended(PageServer server) {
        synchronized (lock) {
            if (serving.remove(server)) {
                ended = ended.plus(server.stats());
            }
        }
    }

    List<PageServer> serving() {
        synchronized (lock) {
            return List.copyOf(serving);
        }
    }

    ServedPages read() {
        synchronized (lock) {
            var all = ended;
            for (var server : serving) {
                all = all.plus(server.stats());
            }
            return all;
        }
    }
}
