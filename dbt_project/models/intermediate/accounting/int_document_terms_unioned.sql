with

vouchers as (
    select * from {{ ref('stg_lexware_office__vouchers') }}
    where is_booked
),

details as (
    select * from {{ ref('stg_lexware_office__voucher_details') }}
),

related as (
    select
        voucher_id,
        min(other_document_number) as credited_document_number
    from {{ ref('int_lexware_office_relations_exploded') }}
    where relation = 'related' and other_voucher_type in ('invoice', 'salesinvoice')
    group by voucher_id
),

bookings as (
    select * from {{ ref('int_datev_bookings_classified') }}
    where booking_kind in ('invoice', 'credit_note')
),

accounting_sources as (
    select * from {{ ref('accounting_sources') }}
),

unioned as (
    select
        'lexware_office' as source,
        vouchers.document_number,
        vouchers.voucher_type in ('creditnote', 'salescreditnote') as is_credit_note,
        vouchers.invoiced_on,
        coalesce(vouchers.due_on, details.due_on) as due_on,
        coalesce(details.gross_amount, vouchers.gross_amount) as printed_gross_amount,
        vouchers.open_amount as stated_open_amount,
        related.credited_document_number,
        details.introduction as reference_text
    from vouchers
    left join details on vouchers.voucher_id = details.voucher_id
    left join related on vouchers.voucher_id = related.voucher_id
    where vouchers.voucher_type <> 'downpaymentinvoice'
    union all
    select
        'datev' as source,
        document_number,
        booking_kind = 'credit_note' as is_credit_note,
        min(booked_on) as invoiced_on,
        max(due_on) as due_on,
        cast(
            case when booking_kind = 'credit_note' then -1 else 1 end
            * sum(debtor_sign * gross_amount) as decimal(28, 6)
        ) as printed_gross_amount,
        cast(null as decimal(28, 6)) as stated_open_amount,
        cast(null as {{ dbt.type_string() }}) as credited_document_number,
        min(posting_text) as reference_text
    from bookings
    group by document_number, booking_kind, extract(year from booked_on)
),

ranked as (
    select
        unioned.*,
        accounting_sources.precedence,
        'number:' || unioned.document_number || ':'
        || cast(extract(year from unioned.invoiced_on) as {{ dbt.type_string() }}) as document_key
    from unioned
    inner join accounting_sources on unioned.source = accounting_sources.source
    where unioned.document_number is not null
),

-- Each fact from the best system that tells it: DATEV may know the due day of a listed invoice.
final as (
    select
        document_key,
        is_credit_note,
        max_by(due_on, precedence) filter (where due_on is not null) as due_on,
        max_by(printed_gross_amount, precedence) filter (where printed_gross_amount is not null)
            as printed_gross_amount,
        max_by(stated_open_amount, precedence) filter (where stated_open_amount is not null)
            as stated_open_amount,
        max_by(credited_document_number, precedence) filter (
            where credited_document_number is not null
        ) as credited_document_number,
        max_by(reference_text, precedence) filter (where reference_text is not null)
            as reference_text
    from ranked
    group by document_key, is_credit_note
)

select * from final
