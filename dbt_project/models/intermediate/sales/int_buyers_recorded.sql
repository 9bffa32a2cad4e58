with

lines as (
    select * from {{ ref('int_sales_lines_current') }}
    where customer_key_hash is not null
),

collective_accounts as (
    select * from {{ ref('datev_collective_accounts') }}
),

-- A collective account (Sammelkonto) is nobody, also where somebody else has its number.
accounts as (
    select
        'lexware_office' as source,
        customer_number,
        contact_id as record_id
    from {{ ref('stg_lexware_office__contacts') }}
    union all
    select
        'datev' as source,
        debtors.customer_number,
        debtors.account as record_id
    from {{ ref('stg_datev__debtors') }} as debtors
    left join collective_accounts on debtors.account = collective_accounts.account
    where collective_accounts.account is null
),

keyed as (
    select
        source,
        record_id,
        {{ short_hash("'customer_number:' || " ~ normalised_text('customer_number')) }}
            as customer_key_hash
    from accounts
),

-- The number is the company's own; where a system has it twice, identity makes one of both.
numbered as (
    select
        source,
        customer_key_hash,
        min(record_id) as record_id
    from keyed
    where customer_key_hash is not null
    group by source, customer_key_hash
),

dated as (
    select
        *,
        cast(invoiced_on as {{ dbt.type_string() }}) || load_id
        || lpad(cast(file_row as {{ dbt.type_string() }}), 12, '0') as arrival
    from lines
),

buyers as (
    select
        source,
        customer_key_kind,
        customer_key_hash,
        max_by(customer_number, arrival) filter (where customer_number is not null)
            as customer_number,
        max_by(customer_name, arrival) filter (where customer_name is not null) as customer_name,
        max_by(email, arrival) filter (where email is not null) as email,
        min(invoiced_on) as first_invoiced_on,
        max(invoiced_on) as last_invoiced_on
    from dated
    group by source, customer_key_kind, customer_key_hash
),

final as (
    select
        buyers.source,
        buyers.customer_key_kind,
        buyers.customer_key_hash,
        coalesce(
            numbered.record_id,
            case
                when buyers.customer_key_kind = 'customer_number'
                    then {{ normalised_text('buyers.customer_number') }}
                else buyers.customer_key_kind || ':' || buyers.customer_key_hash
            end
        ) as record_id,
        numbered.record_id is null as is_known_by_documents_alone,
        buyers.customer_number,
        buyers.customer_name,
        buyers.email,
        buyers.first_invoiced_on,
        buyers.last_invoiced_on
    from buyers
    left join numbered
        on
            buyers.source = numbered.source
            and buyers.customer_key_hash = numbered.customer_key_hash
)

select * from final
