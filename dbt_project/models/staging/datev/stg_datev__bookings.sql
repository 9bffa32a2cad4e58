with

bookings as (
    select * from {{ source('raw_datev', 'bookings') }}
),

-- A batch exported again replaces its earlier export as a whole: bookings have no ids.
newest as (
    select
        *,
        max(_load_id) over (partition by batch_key) as newest_load_id
    from bookings
),

parsed as (
    select
        batch_key || ':' || position as booking_id,
        _load_id as load_id,
        _file as file_name,
        _row as file_row,
        {{ parse_date('booked_on', "'dmy'") }} as booked_on,
        {{ parse_date('coalesce(due_on, assigned_due_on, document_field_2_on)', "'dmy'") }}
            as due_on,
        {{ cleaned_text('document_field_1') }} as document_number,
        {{ cleaned_text('account') }} as account,
        {{ cleaned_text('contra_account') }} as contra_account,
        coalesce({{ cleaned_text('debit_credit') }}, 'S') as debit_credit,
        cast(account_length as integer) as account_length,
        {{ parse_decimal('amount', '_decimal_mark') }} as gross_amount,
        coalesce({{ parse_decimal('discount', '_decimal_mark') }}, 0) as discount_amount,
        upper({{ cleaned_text('currency') }}) as currency,
        {{ cleaned_text('tax_key') }} as tax_key,
        coalesce(
            {{ parse_decimal('tax_rate', '_decimal_mark') }},
            {{ parse_decimal('eu_tax_rate', '_decimal_mark') }}
        ) as printed_tax_rate,
        {{ cleaned_text('posting_text') }} as posting_text,
        coalesce({{ cleaned_text('general_reversal') }} in ('1', 'G'), false) as is_reversal
    from newest
    where _load_id = newest_load_id
),

-- Debtors have one digit more than ledger accounts, and begin with 1 to 6.
sided as (
    select
        *,
        length(account) > account_length and left(account, 1) between '1' and '6'
            as is_account_debtor,
        length(contra_account) > account_length and left(contra_account, 1) between '1' and '6'
            as is_contra_debtor
    from parsed
),

paired as (
    select
        *,
        case
            when is_account_debtor then account
            when is_contra_debtor then contra_account
        end as debtor_account,
        case when is_account_debtor then contra_account else account end as other_account,
        is_account_debtor = (debit_credit = 'S') as is_debit
    from sided
),

final as (
    select
        booking_id,
        load_id,
        file_name,
        file_row,
        booked_on,
        due_on,
        document_number,
        debtor_account,
        other_account,
        -- Longer ledger accounts are those of the standard chart with digits behind.
        case
            when length(other_account) <= account_length
                then left(lpad(other_account, account_length, '0'), 4)
        end as chart_account,
        is_debit,
        is_reversal,
        gross_amount,
        discount_amount,
        currency,
        tax_key,
        printed_tax_rate,
        posting_text
    from paired
)

select * from final
