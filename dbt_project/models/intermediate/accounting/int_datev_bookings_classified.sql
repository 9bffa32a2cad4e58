with

bookings as (
    select * from {{ ref('stg_datev__bookings') }}
    where debtor_account is not null
),

account_ranges as (
    select * from {{ ref('datev_account_ranges') }}
),

tax_keys as (
    select * from {{ ref('datev_tax_keys') }}
),

collective_accounts as (
    select * from {{ ref('datev_collective_accounts') }}
),

-- One debtor file per client is the rule; the newest wins where there are more.
debtors as (
    select
        account,
        max_by(customer_number, load_id) as customer_number,
        max_by(customer_name, load_id) as customer_name,
        max_by(email, load_id) as email
    from {{ ref('stg_datev__debtors') }}
    group by account
),

-- A reversal (Generalumkehr) takes back: it is a negative booking of the kind it undoes.
final as (
    select
        bookings.booking_id,
        bookings.load_id,
        bookings.file_name,
        bookings.file_row,
        bookings.booked_on,
        bookings.due_on,
        bookings.document_number,
        case
            when collective_accounts.account is null
                then coalesce(debtors.customer_number, bookings.debtor_account)
        end as customer_number,
        case when collective_accounts.account is null then debtors.customer_name end
            as customer_name,
        case when collective_accounts.account is null then debtors.email end as email,
        bookings.other_account,
        case
            when account_ranges.booking_kind is null then 'payment'
            when account_ranges.booking_kind <> 'revenue' then account_ranges.booking_kind
            when bookings.is_debit then 'invoice'
            else 'credit_note'
        end as booking_kind,
        case when bookings.is_debit = bookings.is_reversal then -1 else 1 end as debtor_sign,
        bookings.gross_amount,
        bookings.discount_amount,
        bookings.currency,
        coalesce(bookings.printed_tax_rate, tax_keys.tax_rate, account_ranges.tax_rate)
            as tax_rate,
        bookings.posting_text
    from bookings
    left join account_ranges
        on
            try_cast(bookings.chart_account as integer)
            between account_ranges.account_from and account_ranges.account_to
    left join tax_keys on bookings.tax_key = tax_keys.tax_key
    left join debtors on bookings.debtor_account = debtors.account
    left join collective_accounts on bookings.debtor_account = collective_accounts.account
)

select * from final
