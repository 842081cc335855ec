// SPDX-License-Identifier: MIT
import java.io.IOException;
import java.net.InetAddress;
import java.net.ServerSocket;
import java.net.Socket;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.Callable;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;

public class Main {
    public static void main(String[] args) throws Exception {
        long heap = Runtime.getRuntime().maxMemory() >> 20;
        if (heap > 512)
            throw new AssertionError("a heap of " + heap + " MiB: the limit on memory was not seen");
        ExecutorService pool = Executors.newFixedThreadPool(8);
        List<Future<String>> answers = new ArrayList<>();
        try (ServerSocket server = new ServerSocket(0, 50, InetAddress.getLoopbackAddress())) {
            Thread accepting = new Thread(() -> {
                for (int i = 0; i < 20; i++) {
                    try (Socket socket = server.accept()) {
                        socket.getOutputStream().write("hello".getBytes(StandardCharsets.UTF_8));
                    } catch (IOException error) {
                        throw new RuntimeException(error);
                    }
                }
            });
            accepting.start();
            Callable<String> ask = () -> {
                try (Socket socket = new Socket(InetAddress.getLoopbackAddress(), server.getLocalPort())) {
                    return new String(socket.getInputStream().readAllBytes(), StandardCharsets.UTF_8);
                }
            };
            for (int i = 0; i < 20; i++)
                answers.add(pool.submit(ask));
            for (Future<String> answer : answers)
                if (!answer.get().equals("hello"))
                    throw new AssertionError(answer.get());
            accepting.join();
        }
        pool.shutdown();
        for (int i = 0; i < 200; i++) { // more than there is memory: unused blocks are collected
            byte[] block = new byte[4 << 20];
            block[i] = 1;
        }
        Files.writeString(Path.of("java.txt"), "hello java\n");
        Process child = new ProcessBuilder("cat", "java.txt").inheritIO().start();
        System.exit(child.waitFor());
    }
}
