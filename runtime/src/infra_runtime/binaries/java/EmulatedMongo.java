import de.bwaldvogel.mongo.MongoServer;
import de.bwaldvogel.mongo.MongoVersion;
import de.bwaldvogel.mongo.backend.memory.MemoryBackend;
import java.util.List;

/**
 * Starts mongo-java-server: arguments are host and port. The server reports version 5.0 (wire version 13),
 * because current clients refuse the version that the library reports by itself.
 *
 * <p>The class file beside this file is the output of: javac --release 17 -cp 'lib/*' EmulatedMongo.java
 */
public final class EmulatedMongo implements MongoVersion {
    @Override
    public List<Integer> getVersionArray() {
        return List.of(5, 0, 0);
    }

    @Override
    public int getWireVersion() {
        return 13;
    }

    public static void main(String[] arguments) {
        MongoServer server = new MongoServer(new MemoryBackend().version(new EmulatedMongo()));
        server.bind(arguments[0], Integer.parseInt(arguments[1]));
        Runtime.getRuntime().addShutdownHook(new Thread(server::shutdownNow));
    }
}
