package dev.wrenn.network;

import com.google.errorprone.annotations.concurrent.GuardedBy;
import dev.wrenn.base.Deadline;
import dev.wrenn.base.Kind;
import dev.wrenn.base.Loop;
import dev.wrenn.base.Resource;
import dev.wrenn.base.WrennException;
import java.time.Duration;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Deque;
import java.util.HashMap;
import java.util.HashSet;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.Semaphore;
import java.util.concurrent.TimeUnit;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * The network slots of one host process: some ready, some leased.
 *
 * <p>A lease takes a ready slot and costs no system call; a thread of the pool makes the next one
 * once no lease was taken for a moment, so that it does not compete with a resume. A slot that is
 * given back is torn down and its index used again last: no state of a guest, tracked connections
 * included, reaches the next one.
 *
 * <p>Slots outlive the process. After a restart {@link #open} finds them, {@link #adopt} takes
 * those that running guests hold, and {@link #retainOnly} removes the rest. Thread-safe.
 */
public final class SlotPool implements Resource {
    private static final Logger LOG = LoggerFactory.getLogger(SlotPool.class);

    /** How long the pool waits after the last lease before it makes slots again. */
    private static final Duration QUIET = Duration.ofMillis(250);

    private static final Duration RETRY = Duration.ofSeconds(5);
    private static final Duration BUILD_LIMIT = Duration.ofSeconds(20);

    private final NetworkConfig config;
    private final BlockClaim claim;
    private final HostNetwork network;
    private final Semaphore work = new Semaphore(0);
    private final Object lock = new Object(); // over the fields below, never across a command
    private final Loop upkeep;

    @GuardedBy("lock")
    private final Deque<Slot> ready = new ArrayDeque<>();

    /**
     * Leased slots by index; the object itself is the lease, so an old one cannot be given back.
     */
    @GuardedBy("lock")
    private final Map<Integer, Slot> leased = new HashMap<>();

    /** Unused indexes, the one that rested longest first. */
    @GuardedBy("lock")
    private final Deque<Integer> free = new ArrayDeque<>();

    /** Indexes whose slot must be torn down. */
    @GuardedBy("lock")
    private final Deque<Integer> used = new ArrayDeque<>();

    /** How many indexes are in neither list because their slot is being torn down. */
    @GuardedBy("lock")
    private int tearing;

    /** Slots of an earlier process that nobody has adopted. */
    @GuardedBy("lock")
    private final Set<Integer> leftovers = new HashSet<>();

    @GuardedBy("lock")
    private boolean isOpen = true;

    private SlotPool(
            NetworkConfig config, BlockClaim claim, HostNetwork network, Inventory inventory) {
        this.config = config;
        this.claim = claim;
        this.network = network;
        synchronized (lock) {
            leftovers.addAll(inventory.slots());
            for (int index = 1; index <= config.maxSlots(); index++) {
                if (!leftovers.contains(index)) {
                    free.add(index);
                }
            }
        }
        this.upkeep = Loop.every("slots " + config.prefix(), QUIET, this::keepUp);
    }

    /**
     * Takes the prefix and a block of addresses, installs the host's rules and makes the first
     * slots, so that a machine on which slots cannot work is found out now. Needs root, {@code ip},
     * {@code nft} and {@code sysctl}; switches IPv4 forwarding on and leaves it on.
     *
     * @throws NetworkUnusable if another process has the prefix or the machine cannot carry slots
     */
    public static SlotPool open(NetworkConfig config) {
        var inventory = Inventory.take(config.prefix());
        var claim = BlockClaim.take(config, inventory);
        var network = new HostNetwork(config, claim.block());
        try {
            network.prepare();
            var pool = new SlotPool(config, claim, network, inventory);
            try {
                pool.makeReady(Deadline.after(BUILD_LIMIT));
            } catch (WrennException e) {
                pool.upkeep.close();
                throw e;
            }
            LOG.atInfo()
                    .addKeyValue("prefix", config.prefix())
                    .addKeyValue("block", claim.block())
                    .addKeyValue("leftovers", inventory.slots().size())
                    .log("slot pool open");
            return pool;
        } catch (WrennException e) {
            abandon(inventory, claim, network, e);
            throw e;
        }
    }

    /** The addresses of the slots of this pool. */
    public Cidr addresses() {
        return claim.block().range();
    }

    /**
     * Hands out a slot: a ready one at once, else one that is made now.
     *
     * @throws SlotsExhausted if the limit is reached
     * @throws NetworkUnusable if a slot cannot be made
     */
    public Slot lease(Deadline deadline) {
        synchronized (lock) {
            checkOpen();
            var slot = ready.poll();
            if (slot != null) {
                leased.put(slot.index(), slot);
                work.release();
                return slot;
            }
        }
        var built = build(deadline);
        synchronized (lock) {
            if (isOpen) {
                leased.put(built.index(), built);
                work.release();
                return built;
            }
        }
        network.remove(built.index());
        throw closed();
    }

    /**
     * Takes a lease back; the slot is torn down in the background. Does nothing the second time.
     */
    @SuppressWarnings("ReferenceEquality") // a lease is this very object, see the field
    public void giveBack(Slot slot) {
        synchronized (lock) {
            if (leased.get(slot.index()) == slot) {
                leased.remove(slot.index());
                used.add(slot.index());
                work.release();
            }
        }
    }

    /**
     * Takes over the slot of a guest that has run since before this process.
     *
     * @throws SlotLost if the slot is not there, not whole, or taken already
     */
    public Slot adopt(int index) {
        var inventory = Inventory.take(config.prefix());
        if (index < 1 || index > AddressBlock.MAX_INDEX) {
            throw new SlotLost(index, "there is no such index");
        }
        var slot = network.slot(index);
        if (!inventory.namespaces().contains(index) || !inventory.links().contains(index)) {
            throw new SlotLost(index, "its namespace or its link is gone");
        }
        if (!slot.hostAddress().equals(inventory.addresses().get(index))) {
            throw new SlotLost(index, "its address is gone");
        }
        synchronized (lock) {
            checkOpen();
            if (!leftovers.remove(index)) {
                throw new SlotLost(index, "it is in use by this process");
            }
            leased.put(index, slot);
        }
        return slot;
    }

    /**
     * Removes the slots of an earlier process that are neither adopted nor named here; called once
     * the journal has been read.
     */
    public void retainOnly(Set<Integer> keep) {
        synchronized (lock) {
            checkOpen();
            var unclaimed = new ArrayList<>(leftovers);
            unclaimed.removeAll(keep);
            unclaimed.forEach(leftovers::remove);
            used.addAll(unclaimed);
        }
        tearDown();
    }

    /**
     * Removes every slot, those of running guests too, the host's rules and the hold on the
     * addresses.
     */
    @Override
    public void close() {
        if (!shut()) {
            return;
        }
        upkeep.close();
        Inventory.take(config.prefix()).slots().forEach(network::remove);
        network.clear();
        claim.close();
        LOG.atInfo().addKeyValue("prefix", config.prefix()).log("slot pool closed");
    }

    /** Lets go of everything and leaves it on the machine for the next process. */
    public void detach() {
        if (shut()) {
            upkeep.close();
            claim.detach();
        }
    }

    private boolean shut() {
        synchronized (lock) {
            var wasOpen = isOpen;
            isOpen = false;
            return wasOpen;
        }
    }

    private void keepUp() {
        try {
            awaitWork();
            tearDown();
            makeReady(Deadline.after(BUILD_LIMIT));
        } catch (InterruptedException _) {
            Thread.currentThread().interrupt();
        } catch (WrennException e) {
            synchronized (lock) {
                if (!isOpen) {
                    return; // interrupted half way by close, which clears up what it finds
                }
            }
            throw e;
        }
    }

    /** Returns when there was work and no more of it came for a moment, or to try again. */
    private void awaitWork() throws InterruptedException {
        var isWork = work.tryAcquire(RETRY.toMillis(), TimeUnit.MILLISECONDS);
        while (isWork) {
            work.drainPermits();
            isWork = work.tryAcquire(QUIET.toMillis(), TimeUnit.MILLISECONDS);
        }
    }

    private void tearDown() {
        while (true) {
            int index;
            synchronized (lock) {
                if (used.isEmpty()) {
                    return;
                }
                index = used.remove();
                tearing++;
            }
            var isRemoved = false;
            try {
                network.remove(index);
                isRemoved = true;
            } finally {
                tornDown(index, isRemoved);
            }
        }
    }

    private void tornDown(int index, boolean isRemoved) {
        synchronized (lock) {
            tearing--;
            if (!isRemoved) {
                used.add(index); // tried again later
            } else if (index <= config.maxSlots()) {
                free.add(index);
            }
            lock.notifyAll();
        }
    }

    private void makeReady(Deadline deadline) {
        while (needsMore()) {
            var slot = build(deadline);
            synchronized (lock) {
                if (isOpen) {
                    ready.add(slot);
                    continue;
                }
            }
            network.remove(slot.index());
        }
    }

    private boolean needsMore() {
        synchronized (lock) {
            return isOpen && ready.size() < config.poolSize() && !free.isEmpty();
        }
    }

    private Slot build(Deadline deadline) {
        var index = takeIndex(deadline);
        try {
            return network.build(index, deadline);
        } catch (WrennException e) {
            synchronized (lock) {
                used.add(index); // whatever could not be removed is tried again
            }
            throw e;
        }
    }

    /** An unused index; tears slots down, or waits for that, if there is no other. */
    private int takeIndex(Deadline deadline) {
        while (true) {
            synchronized (lock) {
                awaitIndexOrWork(deadline);
                checkOpen();
                if (!free.isEmpty()) {
                    return free.remove();
                }
                if (used.isEmpty()) {
                    throw new SlotsExhausted(config.maxSlots());
                }
            }
            tearDown();
        }
    }

    @GuardedBy("lock")
    private void awaitIndexOrWork(Deadline deadline) {
        try {
            while (free.isEmpty() && used.isEmpty() && tearing > 0) {
                deadline.check("making a network slot");
                lock.wait(Math.max(1, deadline.left().toMillis()));
            }
        } catch (InterruptedException _) {
            Thread.currentThread().interrupt();
            throw new WrennException(Kind.UNAVAILABLE, "making a network slot was interrupted");
        }
    }

    @GuardedBy("lock")
    private void checkOpen() {
        if (!isOpen) {
            throw closed();
        }
    }

    private static WrennException closed() {
        return new WrennException(Kind.UNAVAILABLE, "the network slots of this host are closed");
    }

    private static void abandon(
            Inventory inventory, BlockClaim claim, HostNetwork network, WrennException failure) {
        try {
            if (inventory.slots().isEmpty()) {
                network.clear();
                claim.close();
            } else {
                claim.detach(); // running guests may depend on what is there
            }
        } catch (WrennException e) {
            failure.addSuppressed(e);
        }
    }
}
