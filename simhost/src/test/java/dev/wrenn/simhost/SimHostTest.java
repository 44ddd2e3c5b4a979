package dev.wrenn.simhost;

import dev.wrenn.contract.host.HostAgent;
import java.nio.file.Path;
import java.time.InstantSource;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Nested;
import org.junit.jupiter.api.io.TempDir;

/** The simulated host keeps what every host promises. */
class SimHostTest {
    @TempDir private Path folder;
    private SimHost host;

    @BeforeEach
    void start() {
        host = new SimHost(folder, new ChildPrograms(), InstantSource.system());
    }

    @AfterEach
    void stop() {
        host.close();
    }

    @Nested
    class Capsules extends HostContract {
        @Override
        protected HostAgent host() {
            return host;
        }
    }

    @Nested
    class Checkpoints extends CheckpointContract {
        @Override
        protected HostAgent host() {
            return host;
        }
    }

    @Nested
    class Guests extends GuestContract {
        @Override
        protected HostAgent host() {
            return host;
        }
    }
}
