package dev.wrenn.host;

import static org.assertj.core.api.Assertions.assertThat;

import dev.wrenn.base.Stopwatch;
import dev.wrenn.contract.TemplateId;
import dev.wrenn.testkit.Ratio;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.ExtendWith;

/**
 * What a capsule's operations cost against each other, until the guest agent has answered. Not
 * among the tests that are run always; {@code ./wrenn bench --firecracker} runs it.
 */
@ExtendWith(LabExtension.class)
final class CapsuleRatios {
    private static final int BOOTS = 3;
    private static final int ROUNDS = 7;

    private final HostLab lab;

    CapsuleRatios(HostLab lab) {
        this.lab = lab;
    }

    @Test
    void measure() {
        var boot = new Ratio("a capsule: cold boot against resume, agent answering", "ms");
        var create = new Ratio("a capsule: create from a warm template against resume", "ms");
        lab.host().destroy(lab.capsule()); // everything was used once
        for (int i = 0; i < BOOTS; i++) {
            var watch = Stopwatch.start();
            lab.host().warmUp(TemplateId.MINIMAL, 1, HostLab.MEMORY_MB + 8 * (i + 1));
            boot.add(millis(watch));
        }
        var capsule = lab.capsule();
        lab.host().pause(capsule);
        for (int i = 0; i < ROUNDS; i++) {
            var watch = Stopwatch.start();
            lab.host().resume(capsule);
            double took = millis(watch);
            boot.addOther(took);
            create.addOther(took);
            lab.host().pause(capsule);
            var created = Stopwatch.start();
            var another = lab.capsule();
            create.add(millis(created));
            lab.host().destroy(another);
        }

        assertThat(boot.print()).isGreaterThan(1);
        create.print();
    }

    private static double millis(Stopwatch watch) {
        return watch.elapsedNanos() / 1e6;
    }
}
