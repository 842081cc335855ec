// SPDX-License-Identifier: MIT
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::process::Command;
use std::sync::mpsc;
use std::{fs, thread};

fn main() -> std::io::Result<()> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let address = listener.local_addr()?;
    let server = thread::spawn(move || {
        for stream in listener.incoming().take(8) {
            stream.unwrap().write_all(b"hello").unwrap();
        }
    });
    let (sender, receiver) = mpsc::channel();
    for _ in 0..8 {
        let sender = sender.clone();
        thread::spawn(move || {
            let mut text = String::new();
            TcpStream::connect(address).unwrap().read_to_string(&mut text).unwrap();
            sender.send(text).unwrap();
        });
    }
    drop(sender);
    assert!(receiver.iter().filter(|text| text == "hello").count() == 8);
    server.join().unwrap();
    fs::write("rust.txt", "hello rust\n")?;
    print!("{}", String::from_utf8(Command::new("cat").arg("rust.txt").output()?.stdout).unwrap());
    Ok(())
}
