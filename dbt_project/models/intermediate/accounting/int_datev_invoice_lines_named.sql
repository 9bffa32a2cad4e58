with

bookings as (
    select * from {{ ref('int_datev_bookings_classified') }}
    where booking_kind in ('invoice', 'credit_note')
),

account_names as (
    select
        account,
        min(account_name) as account_name
    from {{ ref('stg_datev__account_names') }}
    group by account
),

final as (
    select
        bookings.booking_id as line_id,
        bookings.load_id,
        bookings.file_name,
        bookings.file_row,
        bookings.document_number,
        bookings.booking_kind as document_kind,
        bookings.booked_on as invoiced_on,
        bookings.customer_number,
        bookings.customer_name,
        bookings.email,
        bookings.other_account as product_code,
        account_names.account_name as product_name,
        cast(
            bookings.debtor_sign * round(
                cast(bookings.gross_amount as double)
                / (1 + cast(coalesce(bookings.tax_rate, 0) as double) / 100), 2
            ) as decimal(28, 6)
        ) as line_amount_net,
        bookings.currency
    from bookings
    left join account_names on bookings.other_account = account_names.account
)

select * from final
