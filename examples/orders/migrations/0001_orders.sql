create table orders (
    id uuid primary key,
    customer text not null check (customer <> ''),
    item text not null check (item <> ''),
    quantity integer not null check (quantity > 0),
    placed_at timestamptz not null default now()
);
