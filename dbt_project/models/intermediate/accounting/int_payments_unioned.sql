with

vouchers as (
    select
        vouchers.*,
        contacts.customer_number,
        case when vouchers.voucher_type in ('creditnote', 'salescreditnote') then -1 else 1 end
            as direction
    from {{ ref('stg_lexware_office__vouchers') }} as vouchers
    left join {{ ref('stg_lexware_office__contacts') }} as contacts
        on vouchers.contact_id = contacts.contact_id
    where vouchers.is_booked
),

payment_items as (
    select * from {{ ref('stg_lexware_office__payment_items') }}
),

relations as (
    select * from {{ ref('int_lexware_office_relations_exploded') }}
),

datev as (
    select * from {{ ref('int_datev_bookings_classified') }}
    where booking_kind not in ('invoice', 'credit_note', 'opening_balance')
),

-- Of a credit note made from an invoice no payments are told: it is set off at once.
set_off as (
    select *
    from vouchers
    where
        voucher_type = 'creditnote'
        and voucher_status = 'paidoff'
        and voucher_id in (
            select relations.voucher_id from relations
            where relations.relation = 'related' and relations.other_voucher_type = 'invoice'
        )
),

-- Positive: money or a set-off that makes the customer owe less.
unioned as (
    select
        'lexware_office' as source,
        payment_items.payment_id,
        vouchers.document_number,
        vouchers.customer_number,
        case
            when payment_items.payment_type = 'cashDiscount' then 'cash_discount'
            when payment_items.payment_type = 'partPaymentCreditNote' then 'set_off'
            when payment_items.payment_type = 'irrecoverableReceivable' then 'write_off'
            when payment_items.payment_type in ('dunningCosts', 'currencyConversion') then 'other'
            else 'payment'
        end as payment_kind,
        payment_items.paid_on,
        vouchers.direction * payment_items.amount as amount,
        payment_items.currency
    from payment_items
    inner join vouchers on payment_items.voucher_id = vouchers.voucher_id
    union all
    select
        'lexware_office' as source,
        voucher_id || ':set_off' as payment_id,
        document_number,
        customer_number,
        'set_off' as payment_kind,
        invoiced_on as paid_on,
        -gross_amount as amount,
        currency
    from set_off
    union all
    select
        'lexware_office' as source,
        relations.voucher_id || ':' || relations.other_voucher_id as payment_id,
        vouchers.document_number,
        vouchers.customer_number,
        'set_off' as payment_kind,
        vouchers.invoiced_on as paid_on,
        relations.deducted_gross_amount as amount,
        vouchers.currency
    from relations
    inner join vouchers on relations.voucher_id = vouchers.voucher_id
    where relations.relation = 'deducted'
    union all
    select
        'datev' as source,
        booking_id as payment_id,
        document_number,
        customer_number,
        booking_kind as payment_kind,
        booked_on as paid_on,
        -debtor_sign * gross_amount as amount,
        currency
    from datev
    union all
    select
        'datev' as source,
        booking_id || ':discount' as payment_id,
        document_number,
        customer_number,
        'cash_discount' as payment_kind,
        booked_on as paid_on,
        -debtor_sign * discount_amount as amount,
        currency
    from datev
    where discount_amount <> 0
),

final as (
    select
        source,
        payment_id,
        document_number,
        customer_number,
        payment_kind,
        paid_on,
        cast(amount as decimal(28, 6)) as amount,
        currency
    from unioned
)

select * from final
