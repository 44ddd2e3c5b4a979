package dev.wrenn.host;

import dev.wrenn.base.Kind;
import dev.wrenn.base.WrennException;
import dev.wrenn.host.capsule.Step;
import java.util.Map;
import java.util.concurrent.ConcurrentHashMap;

/** Does at named steps what the test wants to happen there, once each. */
final class Faults implements Step.Observer {
    private final Map<Step, Runnable> planned = new ConcurrentHashMap<>();

    /** What a step fails with that was told to. */
    static final class Injected extends WrennException {
        private static final long serialVersionUID = 1L;

        Injected(Step step) {
            super(Kind.UNAVAILABLE, "made to fail at " + step);
        }
    }

    void failAt(Step step) {
        at(
                step,
                () -> {
                    throw new Injected(step);
                });
    }

    void at(Step step, Runnable what) {
        planned.put(step, what);
    }

    void clear() {
        planned.clear();
    }

    boolean isPlanned(Step step) {
        return planned.containsKey(step);
    }

    @Override
    public void before(Step step) {
        var what = planned.remove(step);
        if (what != null) {
            what.run();
        }
    }
}
